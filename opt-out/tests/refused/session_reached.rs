use peristyle_opt_out::Enclave;

fn unguarded(enclave: &Enclave) {
    let _ = &enclave.session;
}

fn main() {}
