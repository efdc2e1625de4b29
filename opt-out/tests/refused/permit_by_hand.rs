use peristyle_opt_out::ScanPermit;

fn forged(permit: ScanPermit) -> ScanPermit {
    let ScanPermit { permitted } = permit;
    ScanPermit { permitted }
}

fn main() {}
