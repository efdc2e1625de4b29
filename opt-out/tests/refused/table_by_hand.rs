use peristyle_opt_out::GuardedTable;

fn main() {
    let _ = GuardedTable { permit: todo!(), source: todo!(), schema: todo!(), threads: 1, batch_rows: 1 };
    let _ = GuardedTable::open(todo!(), todo!(), None, todo!(), todo!());
}
