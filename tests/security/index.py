"""Every trap and fault that kinspect is held to, and the tests that show it.

docs/security.md names them all; test_index.py holds that each test is there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TRAPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "zip bombs": (
            "security/test_traps.py::test_a_zip_bomb_that_says_so_is_not_inflated",
            "security/test_traps.py::test_a_zip_bomb_that_lies_is_inflated_as_far_as_it_says",
            "security/test_traps.py::test_a_zip_bomb_without_any_number_meets_the_ratio",
            "sources/test_damage.py::test_a_bomb_is_told_and_the_rest_is_judged",
        ),
        "zstd bombs": (
            "security/test_traps.py::test_a_zstd_bomb_meets_the_ratio",
            "security/test_traps.py::test_a_zstd_bomb_in_a_tar_meets_the_ratio",
            "formats/test_ccob.py::test_a_bomb_is_stopped_by_the_default_limits",
        ),
        "nested bombs": (
            "security/test_traps.py::test_nested_bombs_meet_one_total",
            "security/test_traps.py::test_what_is_held_to_record_counts_for_the_total_too",
            "sources/test_sources.py::test_archives_nest_to_a_limit",
        ),
        "an archive that holds itself": (
            "security/test_traps.py::test_an_archive_that_holds_itself_ends",
            "security/test_traps.py::test_an_archive_that_holds_itself_beside_a_library_hides_nothing",
        ),
        "tar members with absolute names, `..`, devices, hard and symbolic links": (
            "security/test_traps.py::test_a_tar_with_names_that_lead_out_links_and_devices_is_just_read",
            "security/test_traps.py::test_what_is_extracted_of_such_a_tar_stays_where_it_should",
            "sources/test_sources.py::test_odd_names_and_special_members_of_a_tar_are_no_danger",
            "extraction/test_directory.py::test_a_symbolic_link_to_a_directory_is_not_followed",
        ),
        "a flood of members that can't be read": (
            "security/test_traps.py::test_a_flood_of_members_that_can_not_be_read_is_told_in_few_words",
            "security/test_traps.py::test_members_beyond_their_limit_are_told_once",
        ),
        "split hosts that name what is no file": (
            "security/test_traps.py::test_a_split_host_that_names_archives_which_can_not_be",
        ),
        "thin archives that name what is no file": (
            "security/test_traps.py::test_a_thin_archive_that_names_what_is_no_file_beside_it",
        ),
        "zip members of the same name": (
            "sources/test_sources.py::test_a_name_that_stands_twice_is_told_twice",
        ),
        "encrypted zip members": (
            "sources/test_sources.py::test_an_encrypted_member_is_told",
            "sources/test_damage.py::test_a_damaged_entry_of_a_zip",
        ),
        "zip members whose header and directory disagree": (
            "security/test_traps.py::test_a_local_header_that_disagrees_with_the_directory_is_told",
            "sources/test_sources.py::test_a_local_header_that_names_another_member_is_told",
        ),
        "zip members that overlap": (
            "sources/test_sources.py::test_overlapping_members_are_told",
        ),
        "images with whiteout tricks": (
            "security/test_traps.py::test_whiteouts_that_no_layer_may_hold_hide_nothing",
            "security/test_traps.py::test_a_whiteout_that_is_a_link_or_a_device_is_one_all_the_same",
            "sources/test_image.py::test_whiteouts_hide_what_lies_below_them_only",
            "sources/test_image.py::test_names_that_lead_outside_are_told",
            "sources/test_image.py::test_an_index_of_itself_and_of_many_is_followed_once",
        ),
        "compressed bundles with a lying size": (
            "security/test_traps.py::test_a_compressed_bundle_that_lies_about_its_size",
            "security/test_traps.py::test_a_compressed_bundle_that_promises_2_to_the_63_bytes",
            "security/test_traps.py::test_a_compressed_bundle_that_ends_elsewhere_than_it_says",
            "formats/test_ccob.py::test_a_lying_size_wastes_no_memory",
        ),
        "entries that overlap": (
            "security/test_traps.py::test_entries_that_overlap",
            "security/test_traps.py::test_four_thousand_entries_for_the_same_bytes",
            "security/test_traps.py::test_a_thousand_bundles_within_each_other",
        ),
        "entries that point backwards or beyond": (
            "security/test_traps.py::test_entries_that_point_backwards_or_beyond",
        ),
        "counts of 2^63": (
            "security/test_traps.py::test_counts_of_2_to_the_63",
            "security/test_traps.py::test_as_many_sections_as_2_to_the_63",
            "security/test_traps.py::test_metadata_that_promises_2_to_the_32_kernels",
            "sources/test_packages.py::test_header_numbers_that_lie_take_no_memory",
        ),
        "IDs of gigabytes": ("security/test_traps.py::test_an_id_of_gigabytes",),
        "ELF with zero or huge entry sizes": (
            "security/test_traps.py::test_entry_sizes_of_headers",
            "security/test_traps.py::test_entry_sizes_of_tables",
        ),
        "cyclic or overlapping notes": (
            "security/test_traps.py::test_notes_that_lead_back_to_themselves",
            "security/test_traps.py::test_notes_that_overlap",
        ),
        "metadata nested 100,000 deep": (
            "security/test_traps.py::test_metadata_nested_100000_deep",
            "security/test_traps.py::test_documents_of_an_image_nested_100000_deep",
        ),
        "kernels of the same name": (
            "security/test_traps.py::test_kernels_of_the_same_name",
        ),
        "descriptors outside of any section": (
            "security/test_traps.py::test_descriptors_outside_of_any_section",
        ),
        "dynamic relocations without end": (
            "security/test_traps.py::test_dynamic_relocations_without_end",
            "security/test_traps.py::test_relocations_of_bitmaps_of_the_whole_address_space",
        ),
        "bitcode with abbreviations that loop": (
            "security/test_traps.py::test_arrays_of_elements_that_take_no_bits",
            "security/test_traps.py::test_records_of_literals_alone",
            "security/test_traps.py::test_abbreviations_that_every_block_gets",
            "security/test_traps.py::test_blocks_nested_without_end",
        ),
        "symbols that double themselves when they are demangled": (
            "test_names.py::test_a_symbol_that_doubles_itself_is_not_demangled",
            "test_names.py::test_a_symbol_that_nests_without_end_does_not_take_the_process_down",
            "test_names.py::test_a_symbol_that_takes_the_demangler_down_is_not_demangled",
            "test_names.py::test_no_name_is_longer_than_it_was_said_to_be",
        ),
        "names that move a cursor or forge a line, a command or markup": (
            "security/test_output.py::test_no_command_and_format_lets_a_hostile_name_through",
            "test_cli.py::test_no_name_of_a_file_reaches_a_terminal_as_it_is",
            "render/test_reports.py::test_github_commands_are_ours_alone",
            "render/test_reports.py::test_markdown_is_ours_alone",
            "render/test_html.py::test_every_element_and_attribute_is_ours",
        ),
        "names that a shell or a spreadsheet would run": (
            "security/test_traps.py::test_nothing_of_a_trap_is_executed_or_left",
            "resources/test_cli.py::test_no_name_is_a_formula",
        ),
    }
)

FAULTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "a file that shrinks while it is read": (
            "security/test_faults.py::test_a_file_that_shrinks_while_it_is_read",
            "extraction/test_extract.py::test_a_file_that_shrinks_while_it_is_read_leaves_no_half_file",
        ),
        "a file that grows or is replaced while it is read": (
            "security/test_faults.py::test_a_file_that_grows_while_it_is_read_is_judged_as_it_was",
            "security/test_faults.py::test_a_file_that_is_replaced_while_it_is_read_is_judged_as_it_was",
        ),
        "a file or directory that vanishes while it is read": (
            "security/test_faults.py::test_a_file_that_vanishes_while_it_is_read_is_judged_as_it_was",
            "security/test_faults.py::test_a_directory_that_vanishes_while_it_is_read_is_told",
            "sources/test_tree.py::test_what_vanishes_while_it_is_read_is_told",
        ),
        "a disk that can't be read": (
            "security/test_faults.py::test_a_disk_that_can_not_be_read_is_told",
        ),
        "permissions that are lacking": (
            "security/test_faults.py::test_a_file_that_may_not_be_read",
            "security/test_faults.py::test_a_directory_that_may_not_be_read",
        ),
        "a pipe, a device, a directory or nothing in place of a file": (
            "security/test_faults.py::test_what_is_named_is_no_file",
            "security/test_faults.py::test_a_directory_in_place_of_a_file",
            "security/test_faults.py::test_an_empty_file",
            "sources/test_tree.py::test_special_files_are_never_opened",
        ),
        "standard output or error that is closed": (
            "security/test_faults.py::test_a_standard_output_that_is_closed_is_no_pass",
            "security/test_faults.py::test_a_standard_error_that_is_closed_changes_no_verdict",
            "test_cli.py::test_a_reader_that_goes_away_is_no_error_and_no_violation",
        ),
        "SIGINT and SIGTERM": (
            "security/test_faults.py::test_a_signal_ends_it_without_a_verdict_and_half_a_file",
            "test_progress.py::test_an_interrupt_leaves_nothing_behind",
        ),
        "no space left": (
            "test_output.py::test_a_full_stdout_is_no_pass_and_no_violation",
            "test_output.py::test_a_report_that_can_not_be_written_is_no_pass",
            "test_output.py::test_a_file_keeps_its_content_until_the_new_one_is_whole",
            "extraction/test_directory.py::test_a_full_disk_leaves_whole_files_only",
            "sources/test_image.py::test_no_room_for_a_temporary_file_is_told",
        ),
        "no memory left": (
            "security/test_faults.py::test_no_memory_for_a_bundle_is_told",
            "security/test_faults.py::test_no_memory_for_a_member_is_told_and_the_rest_is_judged",
            "security/test_faults.py::test_no_memory_at_all_is_no_verdict",
        ),
        "names that are no UTF-8": (
            "security/test_faults.py::test_names_that_are_no_utf_8",
            "sources/test_tree.py::test_names_of_any_bytes",
        ),
        "very long paths": (
            "security/test_faults.py::test_a_path_that_is_longer_than_the_system_takes",
            "security/test_faults.py::test_a_tree_that_is_deeper_than_any_path_is_read_or_told",
            "security/test_faults.py::test_names_of_members_longer_than_any_path",
            "sources/test_tree.py::test_more_levels_than_python_can_call",
        ),
        "32-bit and big-endian hosts": (
            "security/test_faults.py::test_hosts_that_hip_knows_nothing_of_never_pass",
            "hosts/test_elf.py::test_every_class_and_byte_order_ends_well",
        ),
        "several runs at once": (
            "security/test_faults.py::test_many_runs_at_once_do_not_meet",
        ),
    }
)
