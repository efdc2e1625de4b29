#!/usr/bin/env python3
"""Frames and stacks, and what becomes of them."""

import flamegraphs

NAMES = {
    "peristyle_execution::evaluate::Evaluation::step": "peristyle_execution::evaluate::Evaluation::step",
    "<parquet::arrow::Reader as core::iter::Iterator>::next": "parquet::arrow::Reader::next",
    "<alloc::vec::Vec<T,A> as core::ops::drop::Drop>::drop": "alloc::vec::Vec::drop",
    "peristyle_opt_out::decode::Passing<S>::whole::{{closure}}": "peristyle_opt_out::decode::Passing::whole",
    "a::b::<c<d>>::e::h0123456789abcdef": "a::b::e",
    "<a::B<fn(c) -> d> as e::F>::g": "a::B::g",
    "clear_page_erms_[k]": "clear_page_erms",
}

STACKS = {
    "main;peristyle_opt_out::decode::guard::Guard::decide;peristyle_opt_out::source::codes::CodedRows::holding": (
        "codes: to keys, and which are wanted"
    ),
    # What is neither here nor there counts for who called it.
    "peristyle;peristyle_execution::blocks::feed::Feed::take;peristyle_opt_out::arrays::joined;memcpy": (
        "merging tables, cutting blocks"
    ),
    "peristyle;peristyle_execution::evaluate::Evaluation::step;asm_exc_page_fault;clear_page_erms": (
        "new pages of memory, from the kernel"
    ),
    "tokio-rt-worker;parquet::arrow::arrow_writer::ArrowWriter::write;parquet::encodings::rle::RleEncoder::put": (
        "writing the answer"
    ),
    "peristyle;toml::de::parse": "all else",
}


def test_names():
    for name, expected in NAMES.items():
        assert flamegraphs.without_generics(name) == expected, (name, flamegraphs.without_generics(name))


def test_parts():
    for stack, expected in STACKS.items():
        assert flamegraphs.part_of(stack) == expected, (stack, flamegraphs.part_of(stack))


def test_stacks():
    stack = "worker;clone3;tokio::runtime::run;core::ops::FnOnce::call_once;a::b<c>;a::b<d>;a::e"
    assert flamegraphs.tidy(stack) == ["a::b", "a::e"]
    assert flamegraphs.tidy("worker;clone3") == ["runtime"]
    assert flamegraphs.tidy("worker;[peristyle]") == ["ZSTD_decompress (assembly)"]


if __name__ == "__main__":
    test_names()
    test_parts()
    test_stacks()
