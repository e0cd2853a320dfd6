//! A pipeline as before its first start.

use weir_model::{Availability, NoticeLevel, Phase, PipelineId, PipelineParams, Request, Store, TimestampMs};

use crate::support::{TestBackend, TestCluster, unique};

fn run(backend: &mut TestBackend, id: &PipelineId) {
    let params = PipelineParams { rate_per_s: 1_000, seed: 7, speed: 60, events_max: Some(2_000), ..PipelineParams::default() };
    backend.ask(Request::StartPipeline(id.clone(), PipelineParams { start_at: Some(TimestampMs(1_800_000_000_000)), ..params }));
    let is_over =
        |store: &Store| store.runs.get(id).and_then(|view| view.status.as_ref()).is_some_and(|status| status.phase == Phase::Stopped);
    backend.wait("report", |store| store.runs.get(id).is_some_and(|view| view.report.is_some()) && is_over(store));
}

#[test]
fn a_pipeline_that_is_reset_leaves_nothing_of_its_own_and_starts_again() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let id = PipelineId::from("clickstream");
    let of_somebody_else = backend.create_topic(&unique("clickstream.mine"), 1);
    run(&mut backend, &id);
    let meta = backend.store.pipelines.iter().find(|meta| meta.id == id).unwrap().clone();
    let owned = |store: &Store| {
        let cluster = store.cluster.value().unwrap();
        cluster.topics.iter().filter(|topic| meta.owns_topic(topic.name.as_str())).count()
    };
    backend.wait("its topics", |store| owned(store) > 20);

    let notice = backend.wait_for_notice(Request::ResetPipeline(id.clone()));
    assert_eq!(notice.level, NoticeLevel::Success, "{notice:?}");
    backend.wait("no topic of its own", |store| owned(store) == 0 && !store.runs.contains_key(&id));
    assert!(backend.store.cluster.value().unwrap().topic(&of_somebody_else).is_some(), "another's topic went too");
    let is_own = |group: &weir_model::Group| meta.groups.contains(&group.id);
    backend.wait("no group of its own", |store| store.groups.value().is_some_and(|it| !it.groups.iter().any(is_own)));

    let again = backend.wait_for_notice(Request::ResetPipeline(id.clone()));
    assert_eq!((again.level, again.title.contains("0 topics")), (NoticeLevel::Success, true), "{again:?}");
    run(&mut backend, &id);
}

#[test]
fn what_is_no_pipeline_or_runs_is_not_reset() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let notice = backend.wait_for_notice(Request::ResetPipeline("nonsense".into()));
    assert_eq!(notice.level, NoticeLevel::Error, "{notice:?}");
    let ready = backend.store.pipelines.iter().find(|meta| meta.availability == Availability::Ready).unwrap().id.clone();
    backend.ask(Request::StartPipeline(ready.clone(), PipelineParams { rate_per_s: 10, seed: 1, speed: 1, ..PipelineParams::default() }));
    let notice = backend.wait_for_notice(Request::ResetPipeline(ready.clone()));
    assert_eq!((notice.level, notice.detail.contains("it runs")), (NoticeLevel::Error, true), "{notice:?}");
    backend.ask(Request::StopPipeline(ready));
}
