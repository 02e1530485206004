# SPDX-License-Identifier: GPL-2.0-only
"""What is said before a kernel is compiled."""

from __future__ import annotations

import pytest

from unilinux.kernel.nearest import difference_from_known

KNOWN = {
    "hello-tiny": "CONFIG_A=y\n# CONFIG_NET is not set\n",
    "nginx-server": "CONFIG_A=y\nCONFIG_NET=y\nCONFIG_B=y\nCONFIG_C=y\n",
}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            "CONFIG_A=y\nCONFIG_NET=y\n",
            "no kernel with this configuration is compiled yet: 1 symbol differs from hello-tiny's (NET=y)",
        ),
        (
            "CONFIG_NET=y\nCONFIG_B=y\n",
            "no kernel with this configuration is compiled yet: 2 symbols differ from nginx-server's (A=n, C=n)",
        ),
        ("CONFIG_A=y\n", "its configuration is that of hello-tiny, but its source or tools are others"),
    ],
)
def test_the_nearest_kernel_is_named_with_what_differs(config: str, text: str) -> None:
    assert difference_from_known(config, KNOWN) == text


def test_of_many_symbols_some_are_shown() -> None:
    config = "".join(f"CONFIG_S{number}=y\n" for number in range(10))
    text = difference_from_known(config, {"x": ""})
    assert text is not None
    assert text.endswith("10 symbols differ from x's (S0=y, S1=y, S2=y, S3=y, S4=y, S5=y, …)")


def test_without_another_kernel_there_is_nothing_to_say() -> None:
    assert difference_from_known("CONFIG_A=y", {}) is None
