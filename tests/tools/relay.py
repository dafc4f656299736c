"""A bad network between a page and the server."""

import random
import re
import select
import socket
import threading
import time


class Relay(threading.Thread):
    """Passes datagrams between one client and a server, and loses what it is told to lose."""

    def __init__(self, server, loss, cut):
        super().__init__(daemon=True)
        self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for end in (self.outside, self.inside):
            end.bind(("127.0.0.1", 0))
        self.port = self.outside.getsockname()[1]
        self.server, self.loss, self.cut = server, loss, cut
        self.media = self.lost = self.burst = 0
        self.is_down = False
        self.began = None
        self.random = random.Random(7)

    @classmethod
    def before(cls, sdp, loss=0, cut=None):
        """A relay before the server of an answer, and the answer with the relay's port."""
        port = int(re.search(r"a=candidate:\S+ \d+ udp \d+ 127\.0\.0\.1 (\d+)", sdp, re.I).group(1))
        relay = cls(("127.0.0.1", port), loss, cut)
        relay.start()
        return relay, sdp.replace(f"127.0.0.1 {port} ", f"127.0.0.1 {relay.port} ")

    def is_cut(self):
        if self.is_down:
            return True
        if self.cut is None or self.began is None:
            return False
        at, length = self.cut
        return at <= time.monotonic() - self.began < at + length

    def loses(self, data):
        is_media = len(data) > 12 and 128 <= data[0] < 192 and not 192 <= data[1] < 224
        if not is_media:
            return False
        self.began = self.began or time.monotonic()
        self.media += 1
        if self.loss == 0:
            return False
        if self.burst == 0 and self.random.random() < self.loss / 1.5:
            self.burst = self.random.choice((1, 1, 1, 3, 1))
        if self.burst > 0:
            self.burst -= 1
            self.lost += 1
            return True
        return False

    def run(self):
        client = None
        while True:
            for end in select.select([self.outside, self.inside], [], [])[0]:
                data, sender = end.recvfrom(2_000)
                if self.is_cut():
                    continue
                if end is self.outside:
                    client = sender
                    if not self.loses(data):
                        self.inside.sendto(data, self.server)
                elif client:
                    self.outside.sendto(data, client)
