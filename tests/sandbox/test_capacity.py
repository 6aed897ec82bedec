"""What happens when many ask at once: seats, workers, throttling, and the record of it."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kinetic_sandbox.kinetic import KineticServer
from kinetic_sandbox.kinetic.http.seats import LICENCES

ORDERS = "/Kinetic/api/v2/odata/EPIC06/Erp.BO.POSvc/POes"
METADATA = "/Kinetic/api/v2/odata/EPIC06/Erp.BO.POSvc/$metadata"
GUIDS = {seat: guid for guid, seat in LICENCES.items()}


@pytest.fixture
def server(shared_tenant):
    """The test's own vices before data that it only reads."""
    with KineticServer(shared_tenant) as running:
        yield running


def licence(seat: str) -> dict[str, str]:
    """As clients write it: upper case, with a session id beside it."""
    return {"License": json.dumps({"ClaimedLicense": GUIDS[seat].upper(), "SessionID": ""})}


@pytest.fixture
def at_once(server, connect):
    """Sends one read per client and holds them up together until so many are refused."""

    def send(count: int, refused: int = 0, **headers: str) -> list:
        clients = [connect(server) for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            with server.tenant.lock:
                sent = [pool.submit(c.send, "GET", f"{ORDERS}?$top=1", **headers) for c in clients]
                wait_until(
                    lambda: (server.in_flight, len(server.requests)) == (count - refused, refused)
                )
            return [each.result() for each in sent]

    return send


def wait_until(condition) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def statuses(answers) -> list[int]:
    return sorted(answer.status for answer in answers)


def test_the_record_says_when_and_among_how_many(server, own, at_once):
    at_once(4)
    own.get(METADATA)

    *many, last = server.requests
    assert sorted(request.in_flight for request in many) == [1, 2, 3, 4]
    assert max(r.started for r in many) < min(r.finished for r in many)
    assert last.in_flight == 1
    assert last.started >= max(request.finished for request in many)


def test_a_client_that_waits_for_its_answers_is_never_two_in_flight(server, own, connect):
    other = connect(server)
    for _ in range(60):
        own.get(ORDERS, top=1)
        other.get(ORDERS, top=1)

    assert {request.in_flight for request in server.requests} == {1}


def test_a_429_for_those_above_n_in_flight(server, own, at_once):
    server.vices.set("throttle_above", 2)
    server.vices.set("throttle_retry_after", 1)

    answers = at_once(5, refused=3)
    assert statuses(answers) == [200, 200, 429, 429, 429]
    assert {a.headers.get("retry-after") for a in answers if a.status == 429} == {"1"}
    assert {r.in_flight > 2 for r in server.requests if r.status == 429} == {True}
    assert own.get(ORDERS).status == 200


def test_workers_are_few_and_the_others_wait(server, at_once):
    server.vices.set("workers", 2)
    server.vices.set("service_time", 0.1)

    assert statuses(at_once(6)) == [200] * 6
    began = min(request.started for request in server.requests)
    ends = sorted(request.finished - began for request in server.requests)
    assert ends[2] >= 0.2
    assert ends[4] >= 0.3


def test_latency_occupies_no_worker(server, at_once):
    server.vices.set("workers", 1)
    server.vices.set("slow", 0.5)
    at_once(8)

    took = [request.finished - request.started for request in server.requests]
    assert min(took) >= 0.5
    assert max(took) < 8 * 0.5


@pytest.mark.parametrize(("vice", "headers"), [("default_seats", {}),
                                               ("default_seats", licence("default")),
                                               ("data_collection_seats", licence("data_collection"))
                                               ])  # fmt: skip
def test_requests_beyond_the_seats_are_refused_until_one_is_free(
    server, connect, at_once, vice, headers
):
    server.vices.set(vice, 2)

    answers = at_once(5, refused=3, **headers)
    assert statuses(answers) == [200, 200, 400, 400, 400]
    (refused, *_) = (answer for answer in answers if answer.status == 400)
    assert "Maximum users exceeded" in refused.error
    assert "LicenseAccessException" in refused.json["ErrorType"]
    seat = vice.removesuffix("_seats")
    assert sorted(request.seat for request in server.requests) == ["", "", "", seat, seat]
    assert connect(server).send("GET", ORDERS, **headers).status == 200


def test_metadata_takes_no_seat(server, own):
    server.vices.set("default_seats", 0)

    assert own.get(ORDERS).status == 400
    assert own.get(METADATA).status == 200


def test_each_licence_has_its_own_seats(server, own):
    server.vices.set("default_seats", 0)

    assert own.get(ORDERS).status == 400
    assert own.send("GET", ORDERS, **licence("web_service")).status == 200
    assert json.loads(server.requests[-1].headers["license"])["ClaimedLicense"].startswith("000000")


def test_web_service_falls_back_on_shared_seats_that_are_slow(server, at_once):
    server.vices.set("web_service_seats", 2)
    server.vices.set("shared_seat_delay", 0.3)

    assert statuses(at_once(4, **licence("web_service"))) == [200] * 4
    shared = [r for r in server.requests if r.seat == "web_service_shared"]
    assert [r.seat for r in server.requests if r not in shared] == ["web_service"] * 2
    assert len(shared) == 2
    assert all(request.finished - request.started >= 0.3 for request in shared)


def test_shared_seats_run_out_too(server, own):
    server.vices.set("web_service_seats", 0)
    server.vices.set("web_service_shared_seats", 0)

    answer = own.send("GET", ORDERS, **licence("web_service"))
    assert answer.status == 400
    assert "Maximum users exceeded" in answer.error


@pytest.mark.parametrize("header", ['{"ClaimedLicense": "00000000-0000-0000-0000-000000000000"}',
                                    "{}", "WebService", "[]", '{"ClaimedLicense": 7}'])  # fmt: skip
def test_a_licence_that_nobody_knows_is_refused(own, header):
    answer = own.send("GET", ORDERS, License=header)

    assert answer.status == 400
    assert "is not valid" in answer.error
