"""Datagrams that no DDS library would send: RTPS DATA submessages with any payload.

Layout: RTPS 2.2, 8.3.3 (header), 8.3.7.2 and 9.4.5.3 (DATA), 9.6.1 (ports).
"""

import socket
import struct


def send(domain: int, writer: bytes, first_sequence_number: int, payloads: list[bytes]) -> None:
    """Send payloads to every participant of this machine as if ``writer`` had written them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number, payload in enumerate(payloads, first_sequence_number):
            datagram = _header(writer[:12]) + _data(writer[12:], number, payload)
            for participant in range(8):
                port = 7400 + 250 * domain + 11 + 2 * participant
                sender.sendto(datagram, ("127.0.0.1", port))


def _header(guid_prefix: bytes) -> bytes:
    return b"RTPS" + bytes([2, 1]) + bytes([1, 16]) + guid_prefix


def _data(writer_id: bytes, number: int, payload: bytes) -> bytes:
    little_endian_with_data = 0x05
    no_reader = bytes(4)
    body = struct.pack("<HH", 0, 16) + no_reader + writer_id + struct.pack("<iI", 0, number)
    body += payload
    return struct.pack("<BBH", 0x15, little_endian_with_data, len(body)) + body
