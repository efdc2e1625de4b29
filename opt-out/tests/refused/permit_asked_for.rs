use peristyle_opt_out::VerifiedPolicy;

fn main() {
    let _ = VerifiedPolicy::dummy_tables().permit_scan();
}
