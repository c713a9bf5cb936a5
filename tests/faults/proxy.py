"""A TCP proxy in front of a database server, which cuts, stalls or slows what passes through it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import URL, make_url

Fault = Literal["cut", "stall", "slow"]


@dataclass(kw_only=True)
class Proxy:
    """Passes bytes on until ``after`` of them went by in one direction or the other; then does as ``fault`` says.

    ``cut`` closes both ends of every connection, ``stall`` holds all bytes back for ever, ``slow`` lets 64 kB pass
    every 20 ms.
    """

    server: URL
    fault: Fault | None = None
    after: int = 0
    seen: int = 0
    struck: threading.Event = field(default_factory=threading.Event)
    _listener: socket.socket = field(default_factory=socket.socket)
    _ends: list[socket.socket] = field(default_factory=list)
    _open: bool = True

    def url(self, url: str) -> str:
        """Return the URL of a database of the server, by way of the proxy."""
        host, port = self._listener.getsockname()
        return make_url(url).set(host=host, port=port, query={}).render_as_string(hide_password=False)

    def start(self) -> None:
        """Listen on a free port of this machine."""
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Close everything."""
        self._open = False
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.struck.is_set() and self.fault == "cut":
                client.close()
                continue
            upstream = self._connect()
            self._ends += [client, upstream]
            for source, sink in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _connect(self) -> socket.socket:
        folder, port = self.server.query.get("host"), self.server.port or self.server.query.get("port") or 5432
        if folder:
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(f"{folder}/.s.PGSQL.{port}")
            return upstream
        return socket.create_connection((self.server.host or "127.0.0.1", int(str(port))))

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # an end was closed, by either side or by the fault
            while data := source.recv(65536):
                self.seen += len(data)
                if self.fault and self.seen >= self.after:
                    self.struck.set()
                    if self.fault == "cut":
                        self._cut()
                        return
                    while self.fault == "stall" and self._open:
                        time.sleep(0.05)
                    time.sleep(0.02)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _cut(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def proxied(url: str, fault: Fault | None = None, *, after: int = 0) -> Iterator[Proxy]:
    """Run a proxy in front of the server of ``url``."""
    proxy = Proxy(server=make_url(url), fault=fault, after=after)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
