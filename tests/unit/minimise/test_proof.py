from __future__ import annotations

from pathlib import Path

from unilinux.minimise.proof import WithInitrd, plain_lines


def test_lines_are_compared_without_what_differs_from_run_to_run() -> None:
    one = plain_lines(["1:M 20 Nov 2026 13:07:27.123 * Ready", "at 0xffffffff81000000", "", "  "])
    assert one == plain_lines(["1:M 21 Dec 2027 01:00:00.999 * Ready".replace("Dec", "Nov"), "at 0xffffffff8123abcd"])
    assert one == {"#:M # Nov # #:#:#.# * Ready", "at #"}


def test_the_echo_of_the_stop_key_may_come_anywhere() -> None:
    assert plain_lines(["^\\signal received", "^C", "bye^C"]) == {"signal received", "bye"}


def test_words_are_not_taken_for_numbers() -> None:
    assert plain_lines(["eventfd() failed: bad deed"]) == {"eventfd() failed: bad deed"}


def test_the_clock_is_proved_by_another_initramfs_in_the_same_kernel() -> None:
    argv = WithInitrd(name="tcg", reason="test", initrd=Path("/x/hello.cpio")).qemu(1)
    assert argv[-2:] == ("-initrd", "/x/hello.cpio")
    assert "tcg,thread=single" in argv
