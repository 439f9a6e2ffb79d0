"""A TLS server that answers each request and ends the connection in the way that the path asks for: close_notify and
FIN (/closed), FIN alone (/cut), or RST (/reset). Prints its port. Usage: raw-tls-server.py CERTIFICATE KEY VERSION"""

import socket
import ssl
import struct
import sys
import threading

BODIES = {
    b"none": [b"HTTP/1.1 200 OK\r\n\r\n", b"ok"],
    b"length": [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n", b"ok"],
    b"short": [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n", b"ok"],
    b"chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n"],
    b"large": [b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 300_000],
}


def serve(connection, context):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_side=True)

    def run(step):
        while True:
            try:
                result = step()
                connection.sendall(outgoing.read())
                return result
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                data = connection.recv(65536)
                if not data:
                    raise ConnectionError()
                incoming.write(data)

    run(session.do_handshake)
    _, end, body, pieces = run(lambda: session.read(65536)).split(b" ")[1].split(b"/")
    for part in BODIES[body]:
        session.write(part)
        if pieces == b"pieces":
            connection.sendall(outgoing.read())
    if end == b"closed":
        try:
            session.unwrap()
        except ssl.SSLWantReadError:
            pass
    connection.sendall(outgoing.read())
    if end == b"reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def main():
    certificate, key, version = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def attempt(connection):
        try:
            serve(connection, context)
        except OSError:
            connection.close()

    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=attempt, args=(connection,), daemon=True).start()


main()
