use peristyle_opt_out::{ScanPermit, VerifiedPolicy};

fn main() {
    let _ = ScanPermit { permitted: todo!() };
    let _ = VerifiedPolicy::dummy_tables().permit_scan();
}
