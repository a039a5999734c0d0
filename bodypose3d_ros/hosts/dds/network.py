"""Where on the network a node meets others: the variables ROS 2 reads, as Cyclone's configuration.

What each variable means is in ROS 2's documentation ("Improved Dynamic Discovery"); the
configuration is the one rmw_cyclonedds makes of it, so that both find each other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from ...errors import InputError

DISCOVERY_RANGES = ("SUBNET", "LOCALHOST", "OFF", "SYSTEM_DEFAULT")
LOOPBACK = "lo"

# The highest domain whose ports stay below 65536 (RTPS 2.2, 9.6.1.1).
_LAST_DOMAIN = 232
# rmw_cyclonedds' choice: how many processes of one machine find each other without multicast.
_PROCESSES = 32
# How often a node says that it is there: as soon as that others find it again whose cable was out.
# Cyclone takes 8 s, and 30 s for peers that it lost; ROS 2's other middleware, Fast DDS, 3 s.
_ANNOUNCED_EVERY = "2s"
# What is asked of the kernel; it gives at most net.core.rmem_max.
_RECEIVE_BUFFER = "32MiB"


@dataclass(frozen=True)
class Network:
    """Where on the network a node meets others.

    Raises:
        InputError: The domain or the discovery range does not exist.
    """

    domain: int = 0
    discovery_range: str = "SUBNET"
    interface: str | None = None
    """The only network interface to use, by name; None: Cyclone chooses."""
    static_peers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.domain <= _LAST_DOMAIN:
            raise InputError(
                f"the ROS domain {self.domain} does not exist: give one from 0 to {_LAST_DOMAIN}"
            )
        if self.discovery_range not in DISCOVERY_RANGES:
            raise InputError(
                f"the discovery range {self.discovery_range!r} is not one of "
                f"{', '.join(DISCOVERY_RANGES)}: correct ROS_AUTOMATIC_DISCOVERY_RANGE"
            )

    @classmethod
    def from_environment(
        cls,
        domain: int | None = None,
        interface: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Network:
        """What ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_LOCALHOST_ONLY and
        ROS_STATIC_PEERS say; the arguments, where given, go before.
        """  # noqa: D205 - four variables are one line too many
        if domain is None:
            text = environ.get("ROS_DOMAIN_ID") or "0"
            if not text.isdecimal():
                raise InputError(f"ROS_DOMAIN_ID is {text!r}, which is not a number: correct it")
            domain = int(text)
        discovery = environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") or "SUBNET"
        if environ.get("ROS_LOCALHOST_ONLY") == "1" or interface == LOOPBACK:
            discovery = "LOCALHOST"
        peers = (environ.get("ROS_STATIC_PEERS") or "").split(";")
        return cls(domain, discovery.upper(), interface, tuple(p for p in peers if p))

    @property
    def on_this_machine(self) -> bool:
        """Whether nobody outside this machine is meant to be met."""
        return self.discovery_range in ("LOCALHOST", "OFF") and not self.static_peers

    def configuration(self, environ: Mapping[str, str] = os.environ) -> str:
        """Cyclone's configuration: ours, then CYCLONEDDS_URI, which goes before ours."""
        root = Element("CycloneDDS")
        domain = SubElement(root, "Domain")
        general = SubElement(domain, "General")
        self._add_interface(general)
        if self.on_this_machine:
            # The loopback interface takes 64 KiB at once; a network 1500 bytes, Cyclone's default.
            SubElement(general, "MaxMessageSize").text = "65500B"
            SubElement(general, "FragmentSize").text = "65000B"
        self._add_discovery(SubElement(domain, "Discovery"), general)
        SubElement(SubElement(domain, "Internal"), "SocketReceiveBufferSize", max=_RECEIVE_BUFFER)
        return f"{tostring(root, encoding='unicode')},{environ.get('CYCLONEDDS_URI', '')}"

    def _add_interface(self, general: Element) -> None:
        if self.interface:
            interfaces = SubElement(general, "Interfaces")
            SubElement(interfaces, "NetworkInterface", name=self.interface)

    def _add_discovery(self, discovery: Element, general: Element) -> None:
        SubElement(discovery, "SPDPInterval").text = _ANNOUNCED_EVERY
        # Else Cyclone gives up addresses at which nobody has answered for 30 or 60 s, for good.
        for address in ("Initial", "Discovered"):
            SubElement(discovery, f"{address}LocatorPruneDelay").text = "inf"
        if self.discovery_range == "SYSTEM_DEFAULT":
            return
        if self.discovery_range == "OFF":
            SubElement(general, "AllowMulticast").text = "false"
            SubElement(discovery, "ParticipantIndex").text = "none"
            SubElement(discovery, "Tag").text = f"ros_discovery_off_{os.getpid()}"
            return
        SubElement(discovery, "ParticipantIndex").text = "auto"
        SubElement(discovery, "MaxAutoParticipantIndex").text = str(_PROCESSES)
        peers = list(self.static_peers)
        if self.discovery_range == "LOCALHOST":
            SubElement(general, "AllowMulticast").text = "false"
            peers.append("localhost")
        if peers:
            element = SubElement(discovery, "Peers")
            for peer in peers:
                SubElement(element, "Peer", address=peer)
