# SPDX-License-Identifier: GPL-2.0-only
"""arm64 for kunit.py --qemu_config: two CPUs, under TCG unless asked otherwise.

The kernel's own file for arm64 gives the guest one CPU.  LOCKED_RMAP_ACCEL=kvm
asks for KVM, on a machine that has it for arm64 guests.
"""

import os

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(
    linux_arch="arm64",
    kconfig="""
CONFIG_SERIAL_AMBA_PL011=y
CONFIG_SERIAL_AMBA_PL011_CONSOLE=y
CONFIG_SMP=y""",
    qemu_arch="aarch64",
    kernel_path="arch/arm64/boot/Image.gz",
    kernel_command_line="console=ttyAMA0",
    extra_qemu_params=[
        "-machine", "virt",
        # QEMU's own pointer authentication: the architecture's is slow to emulate.
        "-cpu", "max,pauth-impdef=on",
        "-accel", os.environ.get("LOCKED_RMAP_ACCEL") or "tcg",
        "-smp", "2",
    ],
)
