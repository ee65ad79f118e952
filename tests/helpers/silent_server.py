"""Servers on loopback that take a connection and then keep somebody waiting, until they end."""

import contextlib
import socket
import threading

PAGE = b'{"type": "FeatureCollection", "features": [' + b" " * 50_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"


@contextlib.contextmanager
def silent_server(sent=b"", on_asked=lambda: None):
    """The address of a server that answers each request with ``sent`` and then nothing more.

    ``on_asked`` is called whenever a request has come.
    """
    over = threading.Event()

    def answer(connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(sent)
            on_asked()
            over.wait()

    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            # A thread that waits in accept would keep the socket.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
