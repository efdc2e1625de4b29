use peristyle_opt_out::VerifiedPolicy;

fn main() {
    let _ = VerifiedPolicy { stamp: "mine".into(), ..VerifiedPolicy::dummy_tables() };
}
