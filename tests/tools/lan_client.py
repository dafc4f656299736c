"""What another machine finds at the HTTPS door, as JSON: {name of the check: status or what was found}.

    lan_client.py HOST PORT TOKEN CERTIFICATE
"""

import http.client
import json
import pathlib
import socket
import ssl
import sys

host, port, token, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
trusting = ssl.create_default_context(cafile=certificate)
bearer = {"Authorization": f"Bearer {token}"}


def ask(method, path, headers, body=None):
    connection = http.client.HTTPSConnection(host, port, context=trusting, timeout=20)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    status, text = reply.status, reply.read(2000).decode(errors="replace") if "events" not in path else ""
    connection.close()
    return status, text, dict(reply.getheaders())


found = {}
found["with the token"] = ask("GET", "/api/status", bearer)[0]
found["without it"], text, headers = ask("GET", "/api/status", {})
found["the refusal is json"] = list(json.loads(text)) == ["detail"] and headers.get("www-authenticate") == "Bearer"
found["the token is not told"] = token not in text
found["with a wrong one"] = ask("GET", "/api/status", {"Authorization": "Bearer " + "0" * len(token)})[0]
found["in the query of events"] = ask("GET", f"/api/events?token={token}", {})[0]
found["in the query of the status"] = ask("GET", f"/api/status?token={token}", {})[0]
found["a file of the page"] = ask("GET", "/protocol", {})[0]
found["under another name"] = ask("GET", "/api/status", {**bearer, "Host": "evil.example"})[0]
found["from another page"] = ask("POST", "/api/train/stop", {**bearer, "Origin": "https://evil.example"})[0]
found["from its own page"] = ask("POST", "/api/train/stop", {**bearer, "Origin": f"https://{host}:{port}"})[0]
source = json.dumps({"source": "file:/etc/hostname"})
typed = {**bearer, "Content-Type": "application/json"}
found["a file of this machine"] = ask("POST", "/api/streams/main/source", typed, source)[0]
found["a folder of this machine"] = ask("POST", "/api/train/start", typed, json.dumps({"dataset_name": "/etc"}))[0]
# Only its length is told: the refusal comes before a body is read, and a body on its way would meet a closed door.
found["a large body"] = ask("POST", "/api/train/start", {**typed, "Content-Length": "100000"})[0]
offer = (pathlib.Path(__file__).parent.parent / "data/offer.sdp").read_text()
published = {**bearer, "Content-Type": "application/sdp"}
found["lanes of its own"] = [ask("POST", f"/whip/lane-{i}", published, offer)[0] for i in range(3)]
found["the first of them again"] = ask("POST", "/whip/lane-0", published, offer)[0]

plain = http.client.HTTPConnection(host, port, timeout=20)
try:
    plain.request("GET", "/api/status", headers=bearer)
    found["without encryption"] = plain.getresponse().status
except (http.client.HTTPException, OSError):
    found["without encryption"] = "refused"

open_sockets, closed = [], 0
for _ in range(40):
    raw = socket.create_connection((host, port), 20)
    try:
        open_sockets.append(trusting.wrap_socket(raw, server_hostname=host))
    except OSError:
        closed += 1
found["connections of 40"] = len(open_sockets)
for one in open_sockets:
    one.close()

statuses, connection = [], http.client.HTTPSConnection(host, port, context=trusting, timeout=20)
for _ in range(300):
    connection.request("GET", "/api/health", headers=bearer)
    reply = connection.getresponse()
    reply.read()
    statuses.append(reply.status)
found["of 300 requests at once some are"] = sorted(set(statuses))
print(json.dumps(found))
