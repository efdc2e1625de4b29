//! Makes Cargo look into the folders that are embedded: a view that is new is embedded as well as one that changed.

fn main() {
    for folder in ["build.rs", "tpp", "emis", "emisv2", "scaffold"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
