use peristyle_opt_out::source::LocalFiles;

fn main() {
    let _ = LocalFiles;
}
