//! What the children of a set write, and their ends, as one stream.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod events;
mod others;
mod output;
mod stream;
mod unwatched;

const TESTS: &[(&str, fn())] = &[
    ("output::lines_tags_and_exits", output::lines_tags_and_exits),
    ("output::much_of_many", output::much_of_many),
    ("output::one_closes_its_pipes_and_lives", output::one_closes_its_pipes_and_lives),
    ("others::somebody_else_holds_a_pipe", others::somebody_else_holds_a_pipe),
    ("others::somebody_else_writes_all_the_time", others::somebody_else_writes_all_the_time),
    ("output::a_late_reader_reads_all", output::a_late_reader_reads_all),
    ("stream::newcomers", stream::newcomers),
    ("stream::the_end_wakes", stream::the_end_wakes),
    ("stream::the_descriptor_is_level_triggered", stream::the_descriptor_is_level_triggered),
    ("stream::dropping_it_loses_nothing", stream::dropping_it_loses_nothing),
    ("stream::one_at_a_time", stream::one_at_a_time),
    ("output::what_has_no_pipes", output::what_has_no_pipes),
    ("output::of_a_program_that_is_not_there", output::of_a_program_that_is_not_there),
    ("others::others_take_exits", others::others_take_exits),
    ("others::the_last_line_without_the_exit", others::the_last_line_without_the_exit),
    (
        "output::a_slot_is_used_again_while_the_pipe_is_read",
        output::a_slot_is_used_again_while_the_pipe_is_read,
    ),
    ("output::standard_input_stays", output::standard_input_stays),
    ("others::a_copy_of_this_process", others::a_copy_of_this_process),
    ("others::no_descriptors_left", others::no_descriptors_left),
    ("unwatched::one_that_cannot_be_watched", unwatched::one_that_cannot_be_watched),
    ("unwatched::a_file_in_the_place_of_a_pipe", unwatched::a_file_in_the_place_of_a_pipe),
    #[cfg(feature = "async-io")]
    ("stream::a_dropped_next_loses_nothing", stream::a_dropped_next_loses_nothing),
    #[cfg(feature = "async-io")]
    ("stream::others_get_their_turn", stream::others_get_their_turn),
];

fn main() {
    common::main_warm(TESTS);
}
