"""Gate: every fault class has its tests.  The table says where; this test says that they exist and that none was forgotten."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = "acceptance/test_faults_of_processes.py"
STORAGE = "acceptance/test_faults_of_storage.py"
SURROUNDINGS = "acceptance/test_faults_of_surroundings.py"
REBOOTS = "acceptance/test_reboots.py"
PHASES = "acceptance/test_nineteen_phases.py"
JOURNAL_DAMAGE = "tests/journal/test_journal_damage.py"
JOURNAL_FAULTS = "tests/journal/test_journal_faults.py"
TREE = "tests/sessions/test_tree.py"
VIEW = "tests/sessions/test_view.py"

CLASSES: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "a child crashes",
        (
            f"{PROCESSES}::test_class_1_a_killed_session_is_healed_at_once_and_its_neighbour_does_not_notice",
            f"{PROCESSES}::test_class_1_a_crash_loop_is_bounded_and_shown_with_its_exact_status",
        ),
    ),
    2: (
        "the supervisor crashes",
        (
            f"{PHASES}::test_nineteen_phases_survive_fifty_kills_of_the_supervisor",
            f"{PROCESSES}::test_class_2_killing_the_supervisor_again_and_again_loses_and_doubles_nothing",
            f"{PROCESSES}::test_class_2_what_dies_while_nobody_supervises_is_healed_by_the_next_supervisor",
            f"{JOURNAL_FAULTS}::test_a_kill_between_any_two_bytes_of_a_write_is_survived",
        ),
    ),
    3: (
        "holder or tmux crash, stop, lose their socket",
        (
            f"{PROCESSES}::test_class_3_killing_the_holder_costs_no_session",
            f"{PROCESSES}::test_class_3_killing_holder_and_supervisor_together_leaves_no_second_copy",
            f"{PROCESSES}::test_class_3_a_killed_tmux_server_is_rebuilt_and_no_session_notices",
            f"{PROCESSES}::test_class_3_a_stopped_tmux_server_stops_nothing_else",
            f"{PROCESSES}::test_class_3_a_stopped_holder_makes_commands_say_so_and_costs_nothing",
            f"{PROCESSES}::test_class_3_a_stopped_supervisor_is_named_and_replaced_without_an_agent_noticing",
            f"{PROCESSES}::test_class_3_a_deleted_control_socket_comes_back",
            f"{PROCESSES}::test_class_3_a_deleted_tmux_socket_comes_back_and_no_server_is_left_behind",
            "tests/sessions/test_holder_place.py::test_removed_files_are_made_again_and_guarded_again",
        ),
    ),
    4: (
        "the disk is full or fails",
        (
            f"{STORAGE}::test_class_4_sessions_run_on_over_a_full_disk_and_everything_recovers_by_itself",
            f"{JOURNAL_FAULTS}::test_a_full_disk_is_said_and_recovered_from_without_loss",
            f"{JOURNAL_FAULTS}::test_after_a_failed_flush_the_file_is_opened_and_verified_anew",
            f"{JOURNAL_FAULTS}::test_a_read_only_place_is_refused_with_the_reason",
        ),
    ),
    5: ("the clock jumps", (f"{SURROUNDINGS}::test_class_5_a_jump_of_the_clock_moves_no_timer_and_restarts_nothing",)),
    6: (
        "hangs",
        (
            f"{PROCESSES}::test_class_6_a_hanging_turn_is_found_ended_and_resumed_and_a_slow_one_is_not",
            f"{PROCESSES}::test_class_6_a_stopped_agent_is_found_and_replaced",
        ),
    ),
    7: (
        "trees that flee",
        (
            f"{PROCESSES}::test_class_7_a_tree_of_two_hundred_that_ignores_everything_ends_with_down",
            f"{TREE}::test_two_hundred_that_ignore_sigterm_and_flee_by_setsid_and_double_fork_are_ended",
            f"{TREE}::test_a_lineage_that_flees_by_forking_and_dying_is_ended",
        ),
    ),
    8: (
        "zombies, a terminal held open",
        (f"{PROCESSES}::test_class_8_an_exit_is_seen_though_a_grandchild_keeps_the_terminal_open",),
    ),
    9: (
        "floods",
        (
            f"{STORAGE}::test_class_9_a_gigabyte_of_output_is_bounded_and_its_neighbour_does_not_notice",
            f"{STORAGE}::test_class_9_garbage_a_line_of_ten_megabytes_and_every_byte_go_through_and_the_agent_works_on",
        ),
    ),
    10: (
        "damaged state",
        (
            f"{STORAGE}::test_class_10_a_torn_tail_is_cut_off_reported_and_nothing_else_is_lost",
            f"{STORAGE}::test_class_10_a_flipped_bit_in_the_middle_is_refused_with_its_place",
            f"{STORAGE}::test_class_10_a_broken_snapshot_is_reported_and_the_journal_replayed",
            f"{STORAGE}::test_class_10_a_broken_configuration_cache_is_made_anew",
            f"{JOURNAL_DAMAGE}::test_every_truncation_is_classified",
            f"{JOURNAL_DAMAGE}::test_every_flipped_bit_is_refused_at_its_line",
            f"{JOURNAL_DAMAGE}::test_a_record_of_a_future_format_is_refused_as_such",
        ),
    ),
    11: (
        "broken configuration and documents",
        (
            f"{STORAGE}::test_class_11_a_broken_edit_is_refused_once_and_a_good_one_is_taken_up_at_once",
            f"{STORAGE}::test_class_11_a_project_that_is_down_refuses_a_broken_configuration_with_its_line",
            f"{STORAGE}::test_class_11_an_inbox_of_ten_megabytes_wakes_its_owner_once",
        ),
    ),
    12: (
        "two supervisors",
        (
            f"{PROCESSES}::test_class_12_of_fifty_supervisors_at_once_exactly_one_reigns",
            f"{PROCESSES}::test_class_12_when_fifty_race_for_an_empty_throne_one_wins_and_starts_each_session_once",
            f"{PROCESSES}::test_class_12_a_takeover_replaces_the_supervisor_and_no_agent_notices",
            f"{JOURNAL_FAULTS}::test_a_deleted_or_replaced_lock_file_stops_the_writer",
        ),
    ),
    13: (
        "a reboot",
        (
            f"{SURROUNDINGS}::test_class_13_after_a_reboot_in_the_middle_of_something_nothing_is_repeated",
            f"{REBOOTS}::test_a_power_cut_in_the_middle_of_any_write_loses_and_doubles_nothing",
            f"{REBOOTS}::test_power_cuts_at_any_moment_lose_and_double_nothing",
            f"{REBOOTS}::test_a_supervisor_or_a_holder_that_comes_back_in_the_same_boot_is_no_reboot",
            f"{JOURNAL_DAMAGE}::test_at_every_byte_what_was_appended_at_once_is_read_whole_or_not_at_all",
            "tests/supervisor_shell/test_shell_repository.py::test_a_mirror_whose_files_a_power_cut_left_empty_is_made_anew",
        ),
    ),
    14: (
        "pids are reused",
        (
            f"{SURROUNDINGS}::test_class_14_a_stranger_with_a_reused_pid_is_never_signalled",
            f"{TREE}::test_a_reused_pid_is_never_signalled",
        ),
    ),
    15: (
        "what cannot be started",
        (f"{SURROUNDINGS}::test_class_15_what_cannot_be_started_says_why_backs_off_and_disturbs_nobody",),
    ),
    16: (
        "names and texts of every kind",
        (
            f"{SURROUNDINGS}::test_classes_16_and_17_hostile_text_reaches_the_agent_harmless_and_whole_and_never_the_operator",
            f"{VIEW}::test_names_of_every_kind_get_a_view_of_their_own",
        ),
    ),
    17: (
        "escape sequences",
        (
            f"{SURROUNDINGS}::test_classes_16_and_17_hostile_text_reaches_the_agent_harmless_and_whole_and_never_the_operator",
            f"{STORAGE}::test_class_9_garbage_a_line_of_ten_megabytes_and_every_byte_go_through_and_the_agent_works_on",
            "tests/sessions/test_screen.py::test_escapes_and_controls_are_stripped",
        ),
    ),
    18: (
        "lost watches",
        (
            f"{SURROUNDINGS}::test_class_18_a_push_is_not_missed_in_a_burst_that_overflows_inotify",
            f"{SURROUNDINGS}::test_class_18_a_clone_that_is_replaced_is_watched_again",
            f"{SURROUNDINGS}::test_class_18_a_push_from_elsewhere_is_fetched",
        ),
    ),
    19: (
        "a thundering herd",
        (f"{SURROUNDINGS}::test_class_19_a_herd_that_dies_at_once_is_back_and_nobody_is_there_twice",),
    ),
}


def test_no_fault_class_was_forgotten() -> None:
    assert list(CLASSES) == list(range(1, 20))


@pytest.mark.parametrize("number", CLASSES)
def test_the_tests_of_a_fault_class_exist(number: int) -> None:
    _what, tests = CLASSES[number]
    missing = [test for test in tests if not _exists(test)]
    assert tests
    assert not missing


def _exists(test: str) -> bool:
    path, _, name = test.partition("::")
    file = ROOT / path
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.exists() else ast.Module([], [])
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body)
