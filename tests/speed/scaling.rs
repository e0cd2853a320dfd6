//! What a request costs when there is more of everything: log, partitions, connections.

use std::error::Error;

use crate::compare::fill;
use weir_tests::usage::now_ms;

use crate::process::Running;
use crate::table::{Better, Table};
use crate::{Options, percentile, raw, timed};

const TOPICS: i32 = 100;
const PARTITIONS_PER_TOPIC: i32 = 100;
const IDLE_CONNECTIONS: usize = 1_000;

type Outcome = Result<(), Box<dyn Error>>;

/// Each state of the broker, then the table.
pub(crate) fn run(options: &Options) -> Outcome {
    let mut table = Table::new(options.launchers.iter().map(|it| it.name.clone()).collect());
    for (at, launcher) in options.launchers.iter().enumerate() {
        let folder = options.work.join(format!("{}-scaling", launcher.name));
        let prepared = launcher.prepare(&folder)?;
        let (broker, _) = prepared.start()?;
        raw::Connection::open(&broker.bootstrap)?.create_topic("probe", 1)?;
        let mut probe = Probe { table: &mut table, at, offset: 0, requests: if options.quick { 5_000 } else { 20_000 } };
        probe.run("nothing else", &broker, "probe")?;

        let idle = (0..IDLE_CONNECTIONS).map(|_| {
            let mut connection = raw::Connection::open(&broker.bootstrap)?;
            connection.ask_for_topic("probe")?;
            Ok(connection)
        });
        let idle: Vec<raw::Connection> = idle.collect::<Result<_, std::io::Error>>()?;
        probe.run("1,000 idle connections", &broker, "probe")?;
        probe.memory("1,000 idle connections", &broker);
        drop(idle);

        fill(&broker, "long", options.log_gb)?;
        let long = format!("a log of {} GB", options.log_gb);
        probe.offset = options.log_gb as i64 * 400_000; // Somewhere in its middle.
        probe.run(&long, &broker, "long")?;
        probe.offset = 0;

        let mut connection = raw::Connection::open(&broker.bootstrap)?;
        for topic in 0..TOPICS {
            connection.create_topic(&format!("wide-{topic}"), PARTITIONS_PER_TOPIC)?;
        }
        probe.run("10,000 partitions", &broker, "probe")?;
        probe.spread(&broker)?;
        probe.memory("10,000 partitions", &broker);
        broker.kill();
        let (broker, took) = prepared.start()?;
        let what = format!("kill -9 with 10,000 partitions and {} GB to first produce", options.log_gb);
        table.add(&what, "ms", Better::Lower, at, took.as_secs_f64() * 1e3);
        broker.kill();
        std::fs::remove_dir_all(&folder)?;
    }
    table.print();
    Ok(())
}

struct Probe<'a> {
    table: &'a mut Table,
    at: usize,
    /// What is fetched.
    offset: i64,
    requests: usize,
}

impl Probe<'_> {
    /// Small produces and small fetches, one at a time.
    fn run(&mut self, state: &str, broker: &Running, topic: &str) -> Outcome {
        let mut connection = raw::Connection::open(&broker.bootstrap)?;
        let produce = raw::produce(topic, 0, &raw::batch(now_ms(), [[b'v'; 100].as_slice()]));
        self.measure(&format!("small produce, {state}"), broker, |_| {
            connection.send(&produce)?;
            Ok(connection.produced(topic)?)
        })?;
        let fetch = raw::fetch(topic, 0, self.offset, 200);
        self.measure(&format!("small fetch, {state}"), broker, |_| {
            connection.send(&fetch)?;
            connection.fetched(topic)?.next_offset.map(drop).ok_or_else(|| "nothing was fetched".into())
        })
    }

    /// Produces to every partition in turn.
    fn spread(&mut self, broker: &Running) -> Outcome {
        let mut connection = raw::Connection::open(&broker.bootstrap)?;
        let batch = raw::batch(now_ms(), [[b'v'; 100].as_slice()]);
        self.measure("small produce, to 10,000 partitions in turn", broker, |number| {
            let topic = format!("wide-{}", number % TOPICS as u64);
            let partition = (number / TOPICS as u64) as i32 % PARTITIONS_PER_TOPIC;
            connection.send(&raw::produce(&topic, partition, &batch))?;
            Ok(connection.produced(&topic)?)
        })
    }

    fn measure(&mut self, what: &str, broker: &Running, work: impl FnMut(u64) -> Outcome) -> Outcome {
        let cpu = broker.cpu_seconds();
        let times_ms = timed(self.requests, work)?;
        let cpu_us = (broker.cpu_seconds() - cpu) * 1e6 / self.requests as f64;
        self.table.add(&format!("{what}, p50"), "us", Better::Lower, self.at, percentile(&times_ms, 50) * 1e3);
        self.table.add(&format!("{what}, p99"), "us", Better::Lower, self.at, percentile(&times_ms, 99) * 1e3);
        self.table.add(what, "broker CPU us", Better::Lower, self.at, cpu_us);
        Ok(())
    }

    fn memory(&mut self, state: &str, broker: &Running) {
        self.table.add(&format!("memory, {state}"), "MB RSS", Better::Lower, self.at, broker.memory_mb("VmRSS"));
    }
}
