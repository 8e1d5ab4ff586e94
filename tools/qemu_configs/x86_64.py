# SPDX-License-Identifier: GPL-2.0-only
"""x86_64 for kunit.py --qemu_config: two CPUs, under TCG unless asked otherwise.

The kernel's own file for x86_64 leaves the accelerator to QEMU or asks for KVM
first.  A /dev/kvm that is present and cannot run an ordinary kernel makes the
guest hang, so this one says TCG; LOCKED_RMAP_ACCEL=kvm asks for KVM.
"""

import os
from typing import List

from ..qemu_config import QemuArchParams


class _Params(List[str]):
    """Parameters that drop the accelerators which stand before them.

    Since 7.x kunit.py itself asks for KVM on every command line, ahead of these
    parameters, and QEMU takes the first accelerator that seems to work.
    """

    def __radd__(self, before: List[str]) -> List[str]:
        kept = []
        words = iter(before)
        for word in words:
            if word == "-accel":
                next(words, None)
            else:
                kept.append(word)
        return [*kept, *self]


QEMU_ARCH = QemuArchParams(
    linux_arch="x86_64",
    kconfig="""
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y
CONFIG_SMP=y""",
    qemu_arch="x86_64",
    kernel_path="arch/x86/boot/bzImage",
    kernel_command_line="console=ttyS0",
    extra_qemu_params=_Params([
        # A small firmware that starts the kernel at once.
        "-bios", "qboot.rom",
        "-accel", os.environ.get("LOCKED_RMAP_ACCEL") or "tcg",
        "-smp", "2",
    ]),
)
