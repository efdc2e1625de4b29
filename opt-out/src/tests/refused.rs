//! What must not compile outside the crate: a permit, a policy or a guarded table made by hand, a session reached.

#[test]
fn what_only_the_crate_can_make_is_refused() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
