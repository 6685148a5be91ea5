"""The pages, in Airflow's own API server."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from narration.synthesis.reconcile import Job, JobState
from narration.synthesis.record import OrderRecord
from tests.ui.conftest import Reader, clip, failed, order_of, planned


def write(store, order, *, jobs=()):
    store.write_order(order.order_id, order.to_dict())
    record = OrderRecord(jobs={job.job_id: job for job in jobs})
    store.write_record(order.order_id, record.to_dict())


@pytest.fixture
def three(store, airflow_run):
    """A task that sees three paragraphs through: one is being made, one was refused, one is not bought yet."""
    order = order_of(clip(1), clip(2, "The second, <script>alert('x')</script> & more."), clip(3))
    active = Job(job_id="j-1", clip_keys=(order.clips[0].clip_key,), state=JobState.ACTIVE, created_at=1.0)
    write(store, order, jobs=[active])
    airflow_run.add_task("plan", return_value=[planned(order, storage=store.uri)])
    airflow_run.add_failed_task("synthesize", failed(order.clips[1], "Too <b>long</b>."), map_index=0)
    return order


class TestWhoMaySeeThem:
    @pytest.mark.parametrize("task_id", [None, "synthesize"])
    def test_somebody_who_is_not_signed_in_is_asked_to(self, api_server, airflow_run, three, task_id):
        answer = TestClient(api_server).get(airflow_run.address(task_id, 0))

        assert answer.status_code == 401
        assert "Sign in to Airflow" in answer.text
        assert "paragraph" not in answer.text

    @pytest.mark.parametrize("task_id", [None, "synthesize"])
    def test_somebody_without_the_right_to_read_the_dag_sees_nothing(self, api_server, airflow_run, three, task_id):
        answer = Reader(api_server, role=None).get(airflow_run.address(task_id, 0))

        assert answer.status_code == 403
        assert "may not see this Dag" in answer.text
        assert "paragraph" not in answer.text

    def test_a_forged_token_opens_nothing(self, api_server, airflow_run, three):
        client = TestClient(api_server, cookies={"_token": "eyJhbGciOiJub25lIn0.e30."})

        assert client.get(airflow_run.address("synthesize", 0)).status_code == 403

    def test_every_route_asks(self, api_server):
        from narration.ui.app import make_app

        routes = [route for route in make_app().routes if hasattr(route, "dependant")]
        assert len(routes) == 2
        for route in routes:
            called = {dependency.call.__qualname__ for dependency in route.dependant.dependencies}
            assert "requires_access_dag.<locals>.inner" in called
            assert route.methods == {"GET"}
        assert not [route.path for route in make_app().routes if route.path in ("/docs", "/redoc", "/openapi.json")]


class TestATask:
    def test_the_link_of_a_task_leads_to_its_paragraphs(self, reader, airflow_run, three):
        page = reader.read(airflow_run.address("synthesize", 0))

        assert "Chapter I, paragraph 1 (line 2 of book.txt)" in page
        assert "Paragraph 3 of the book." in page
        for count in ("1 failed", "1 being made", "1 not bought yet"):
            assert count in page

    def test_what_failed_comes_first_with_its_reason_its_text_and_an_anchor(self, reader, airflow_run, three):
        page = reader.read(airflow_run.address("synthesize", 0))

        anchor = three.clips[1].clip_key[:12]
        trouble = page.index(f'<article id="{anchor}">')
        assert trouble < page.index("paragraph 1 (line 2")
        assert f'href="#{anchor}"' in page
        assert page.index("Too &lt;b&gt;long") > trouble

    def test_nothing_of_a_document_is_ever_run(self, reader, airflow_run, three):
        answer = reader.get(airflow_run.address("synthesize", 0))

        assert "<script" not in answer.text
        assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more." in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["cache-control"] == "no-store"

    def test_no_connection_is_shown(self, reader, airflow_run, three):
        page = reader.read(airflow_run.address("synthesize", 0))

        assert "aws_default" not in page
        assert "books" not in page

    def test_paragraphs_in_the_store_say_so(self, reader, airflow_run, bench, run):
        order = bench.stories(2)
        bench.see_through(order, run)
        airflow_run.add_task("plan", return_value=[order])
        airflow_run.add_task("synthesize", map_index=0, label="Chapter I")

        page = reader.read(airflow_run.address("synthesize", 0))

        assert "2 in the store" in page
        assert "<h1>Chapter I</h1>" in page
        assert "Needs a look" not in page

    def test_a_long_order_is_shown_in_parts_and_its_trouble_on_the_first(self, reader, airflow_run, store):
        order = order_of(*(clip(number) for number in range(1, 1203)))
        write(store, order)
        airflow_run.add_task("plan", return_value=[planned(order, storage=store.uri)])
        airflow_run.add_failed_task("synthesize", failed(order.clips[1200], "No."), map_index=0)
        address = airflow_run.address("synthesize", 0)

        first, last = reader.read(address), reader.read(f"{address}&page=3")

        assert first.count("<tr id=") == 500
        assert "paragraph 1201 (" in first
        assert "Part 1 of 3" in first
        assert re.search(r'href="[^"]*map_index=0&(amp;)?page=2"', first)
        assert last.count("<tr id=") == 201
        assert "Needs a look" not in last

    def test_a_task_with_several_orders_shows_them_together(self, reader, airflow_run, store):
        orders = [order_of(clip(1), clip(2)), order_of(clip(3))]
        for order in orders:
            write(store, order)
        airflow_run.add_task(
            "narrate.plan", map_index=4, return_value=[planned(order, storage=store.uri) for order in orders]
        )
        airflow_run.add_failed_task(
            "narrate.synthesize", failed(orders[1].clips[0], "Refused."), map_index=4, label="emma.txt"
        )

        page = reader.read(airflow_run.address("narrate.synthesize", 4))

        assert "<h1>emma.txt</h1>" in page
        assert "3 paragraphs" in page
        assert page.index("paragraph 3 (") < page.index("paragraph 1 (")

    def test_what_the_plan_refused_is_shown_on_its_own_page(self, reader, airflow_run):
        bad = {**failed(clip(7, "<speak><whisper>Hush.</whisper></speak>"), "no such tag"), "clip_key": ""}
        airflow_run.add_failed_task("plan", bad)

        page = reader.read(airflow_run.address("plan"))

        assert 'id="failed-1"' in page
        assert "no such tag" in page
        assert "&lt;whisper&gt;Hush." in page

    def test_the_orders_are_found_where_an_xcom_backend_keeps_the_plan_elsewhere(self, reader, airflow_run, store):
        order = order_of(clip(1))
        write(store, order)
        airflow_run.add_task("plan", return_value="s3://xcoms/plan.json")
        airflow_run.add_task("synthesize", map_index=0)
        airflow_run.add_rendered("synthesize", map_index=0, order=planned(order, storage=store.uri))

        assert "Paragraph 1 of the book." in reader.read(airflow_run.address("synthesize", 0))

    @pytest.mark.parametrize("order_id", ["../secrets", "a/b", "", None, 7])
    def test_a_name_that_is_no_order_s_opens_no_file(self, reader, airflow_run, store, order_id):
        airflow_run.add_task("plan", return_value=[{"order_id": order_id, "label": "x", "storage": store.uri}])
        airflow_run.add_task("synthesize", map_index=0)

        assert "is not known here" in reader.read(airflow_run.address("synthesize", 0))

    @pytest.mark.parametrize(
        ("address", "status"),
        [
            ("/narration/dags/nothing/runs/ever", 404),
            ("/narration/dags/nothing/runs/ever/tasks/synthesize", 404),
            ("/narration/elsewhere", 404),
        ],
    )
    def test_what_is_not_there_is_said_to_be(self, reader, address, status):
        assert reader.get(address).status_code == status

    def test_within_a_tab_whose_sandbox_lets_no_link_lead_anywhere_it_has_none(self, reader, airflow_run, three):
        answer = reader.client.get(airflow_run.address("synthesize", 0), headers={"Sec-Fetch-Dest": "iframe"})

        assert "Too &lt;b&gt;long" in answer.text
        assert re.findall(r'href="([^"#][^"]*)"', answer.text) == []
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]

    def test_a_tab_of_a_task_that_is_not_mapped_has_no_index(self, reader, airflow_run):
        airflow_run.add_failed_task("plan", failed(clip(7), "no such tag"))

        assert "no such tag" in reader.read(f"{airflow_run.address('plan')}?map_index={{MAP_INDEX}}")

    def test_a_tab_of_any_other_task_says_so_and_nothing_else(self, reader, airflow_run):
        airflow_run.add_task("extract")

        assert "This task has to do with no paragraphs." in reader.read(airflow_run.address("extract"))

    @pytest.mark.parametrize("query", ["map_index=x", "map_index=-2", "page=0"])
    def test_an_address_that_makes_no_sense_is_explained(self, reader, airflow_run, query):
        answer = reader.get(f"{airflow_run.address('synthesize')}?{query}")

        assert answer.status_code == 422
        assert "by the link Paragraphs" in answer.text

    def test_another_index_of_the_task_is_not_found(self, reader, airflow_run, three):
        assert reader.get(airflow_run.address("synthesize", 5)).status_code == 404


class TestWhereTheStoreCannotBeRead:
    @pytest.fixture
    def elsewhere(self, airflow_run, tmp_path):
        order = order_of(clip(1), clip(2))
        airflow_run.add_task("plan", return_value=[planned(order, storage=f"file://{tmp_path}/on-a-worker")])
        airflow_run.add_failed_task("synthesize", failed(order.clips[0], "Refused."), map_index=0)
        return order

    def test_the_page_says_where_the_text_is(self, reader, airflow_run, elsewhere):
        page = reader.read(airflow_run.address("synthesize", 0))

        assert "cannot be shown here" in page
        assert f"orders/{elsewhere.order_id}.json" in page
        assert "on the machines of the workers" in page

    def test_and_shows_what_the_task_itself_said(self, reader, airflow_run, elsewhere):
        page = reader.read(airflow_run.address("synthesize", 0))

        assert "Refused." in page
        assert "Paragraph 1 of the book." in page

    def test_a_damaged_order_is_named(self, reader, airflow_run, store):
        order = order_of(clip(1))
        store.write_json("orders", f"{order.order_id}.json", value={"order_id": "no more"})
        airflow_run.add_task("plan", return_value=[planned(order, storage=store.uri)])
        airflow_run.add_task("synthesize", map_index=0)

        assert "is not an order." in reader.read(airflow_run.address("synthesize", 0))

    def test_a_store_without_its_connection_is_named(self, reader, airflow_run):
        order = order_of(clip(1))
        airflow_run.add_task("plan", return_value=[planned(order, storage="s3://not_there@books/store")])
        airflow_run.add_task("synthesize", map_index=0)

        page = reader.read(airflow_run.address("synthesize", 0))

        assert "There is no Airflow connection" in page
        assert "needs to reach that storage" in page


class TestARun:
    def test_its_orders_are_listed_with_their_progress_the_failed_ones_first(self, reader, airflow_run, store):
        orders = [order_of(clip(number)) for number in (1, 2, 3)]
        airflow_run.add_task(
            "plan",
            return_value=[
                planned(order, storage=store.uri, label=f"Chapter {number}")
                for number, order in enumerate(orders, start=1)
            ],
        )
        airflow_run.add_task("synthesize", map_index=0, state="success", label="Chapter 1: 100 paragraphs")
        airflow_run.add_task("synthesize", map_index=1, state="deferred")
        airflow_run.add_failed_task("synthesize", failed(orders[2].clips[0], "Refused."), map_index=2)
        airflow_run.add_progress("synthesize", map_index=1, done=1234, total=5000)

        page = reader.read(airflow_run.address())

        assert page.index("Chapter 3") < page.index("Chapter 1: 100 paragraphs") < page.index("Chapter 2")
        assert "1,234 of 5,000" in page
        assert "1 failed: Chapter I, paragraph 3 (line 6 of book.txt)" in page
        assert airflow_run.address("synthesize", 2) in page

    def test_documents_of_a_mapped_group_are_listed_too(self, reader, airflow_run, store):
        airflow_run.add_task("narrate.plan", map_index=0, return_value=[planned(order_of(clip(1)), storage=store.uri)])
        airflow_run.add_task("narrate.synthesize", map_index=0, label="emma.txt")

        page = reader.read(airflow_run.address())

        assert "emma.txt" in page
        assert airflow_run.address("narrate.synthesize", 0) in page

    def test_what_the_plan_refused_is_linked(self, reader, airflow_run):
        airflow_run.add_failed_task("plan", failed(clip(7), "no such tag"))

        page = reader.read(airflow_run.address())

        assert "1 paragraph(s) cannot be spoken" in page
        assert airflow_run.address("plan") in page

    def test_a_run_without_orders_says_why_that_may_be(self, reader, airflow_run):
        assert "This run has no orders" in reader.read(airflow_run.address())


class TestUnderAPath:
    def test_every_link_of_a_page_leads_back_under_the_path(self, api_server, airflow_run, three):
        reader = Reader(api_server, role="VIEWER", root_path="/team/airflow")

        # As a proxy passes it on, which leaves the path as it is.
        page = reader.read("/team/airflow" + airflow_run.address("synthesize", 0))

        links = re.findall(r'href="([^"#][^"]*)"', page)
        assert len(links) >= 3
        assert all(link.startswith("/team/airflow/") for link in links)

    def test_the_links_of_a_page_lead_somewhere(self, reader, airflow_run, three):
        page = reader.read(airflow_run.address("synthesize", 0))

        for link in re.findall(r'href="([^"#][^"]*)"', page):
            assert reader.get(link).status_code == 200, link
