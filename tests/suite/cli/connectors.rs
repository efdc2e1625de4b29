//! `connector …`.

use super::sandbox::Sandbox;

/// An author's way: begin one, break it, read what is wrong.
#[test]
fn connectors_are_begun_and_checked() {
    let sandbox = Sandbox::new();
    let mut text = String::new();
    let mut step = |line: &str| {
        let run = sandbox.run(line);
        text += &format!("{}\n", sandbox.transcript(&run));
        run.status
    };
    assert_eq!(step("connector list"), Some(0));
    assert_eq!(step("connector new asthma-clinic"), Some(0));
    assert_eq!(step("connector check asthma-clinic"), Some(0));
    assert_eq!(step("connector new asthma-clinic"), Some(11), "which is there");
    assert_eq!(step("connector new TPP"), Some(2));
    assert_eq!(step("connector check nowhere"), Some(11));
    let manifest = sandbox.read("asthma-clinic/manifest.toml");
    sandbox.write("asthma-clinic/manifest.toml", manifest.replace("sex = {", "gender = {"));
    assert_eq!(step("connector check asthma-clinic"), Some(11), "a view reads what is not named");
    sandbox.write(
        "asthma-clinic/manifest.toml",
        manifest.replace("\"not applied\"", "\"none\"").replace("category", "text"),
    );
    assert_eq!(step("connector check ./asthma-clinic/"), Some(11), "two slips of the pen");
    insta::assert_snapshot!(text);
}
