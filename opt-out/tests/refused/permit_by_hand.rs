use peristyle_opt_out::ScanPermit;

fn forged(permit: ScanPermit) -> ScanPermit {
    let ScanPermit { tally } = permit;
    ScanPermit { tally }
}

fn main() {}
