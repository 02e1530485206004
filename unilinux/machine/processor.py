"""CPUs and memory."""

from __future__ import annotations

from unilinux.machine.block import Block, wish


def cpus(count: int) -> Block:
    """``count`` CPUs. Their model depends on the accelerator and is chosen at run time.

    For how many at most a kernel is built (NR_CPUS) is the profile's to say.
    """
    smp = (wish("SMP", why="more than one CPU"),) if count > 1 else ()
    # Without ACPI Linux learns of CPUs from the MP table, in which q35's firmware names one for each socket.
    sockets = f",sockets={count}" if count > 1 else ""
    return Block(
        name="cpu",
        qemu=("-smp", f"{count}{sockets}"),
        wishes=(
            wish("64BIT", why="applications are x86-64"),
            wish("PARAVIRT", why="menu of KVM_GUEST"),
            wish("KVM_GUEST", why="under KVM the host tells the frequency of the clock: nothing to calibrate"),
            *smp,
        ),
    )


def memory(size_mib: int) -> Block:
    """``size_mib`` MiB of memory."""
    return Block(
        name="memory",
        qemu=("-m", f"{size_mib}"),
        wishes=(
            wish("EXPERT", why="menu of PHYSICAL_START"),
            wish("PHYSICAL_START", "0x200000", why="the default of 16 MiB takes that much more memory to boot"),
        ),
    )
