use peristyle_opt_out::GuardedTable;

fn forged(table: GuardedTable) -> GuardedTable {
    GuardedTable { threads: 1, ..table }
}

fn main() {}
