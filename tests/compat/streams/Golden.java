import java.io.File;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.internals.ProcessorNode;
import org.apache.kafka.streams.processor.internals.ProcessorTopology;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/**
 * What Kafka Streams makes of random records, operator by operator: the vectors that `backend/tests/streams/golden.rs` holds ours to.
 *
 * Usage: Golden SEED COUNT, a case an operator and seed. Lines, by tabs: `case OPERATOR SEED`, `in TOPIC KEY VALUE TIME`, and after each
 * the results it led to, `out KEY START END VALUE TIME`; a dash stands for what is not there.
 */
public final class Golden {
    private static final Duration SIZE = Duration.ofMillis(10);
    private static final Duration GAP = Duration.ofMillis(5);
    private static final Duration GRACE = Duration.ofMillis(4);
    private static final List<String> OUT = new ArrayList<>();

    private interface Build {
        void on(StreamsBuilder builder);
    }

    public static void main(String[] args) throws Exception {
        long seed = Long.parseLong(args[0]);
        int count = Integer.parseInt(args[1]);
        TimeWindows tumbling = TimeWindows.ofSizeAndGrace(SIZE, GRACE);
        TimeWindows hopping = tumbling.advanceBy(Duration.ofMillis(4));
        SessionWindows sessions = SessionWindows.ofInactivityGapAndGrace(GAP, GRACE);
        // A right record up to 3 ms older and 6 ms newer than the left one.
        JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMillis(5), GRACE).before(Duration.ofMillis(3)).after(Duration.ofMillis(6));
        for (long at = seed; at < seed + count; at++) {
            run("reduce", at, builder -> told(left(builder).groupByKey().reduce(Long::sum).toStream()));
            run("tumbling", at, builder -> windowed(left(builder).groupByKey().windowedBy(tumbling).reduce(Long::sum).toStream()));
            run("hopping", at, builder -> windowed(left(builder).groupByKey().windowedBy(hopping).reduce(Long::sum).toStream()));
            run("tumbling_closed", at, builder -> windowed(left(builder).groupByKey().windowedBy(tumbling).emitStrategy(EmitStrategy.onWindowClose()).reduce(Long::sum, retained()).toStream()));
            run("hopping_closed", at, builder -> windowed(left(builder).groupByKey().windowedBy(hopping).emitStrategy(EmitStrategy.onWindowClose()).reduce(Long::sum, retained()).toStream()));
            run("sessions", at, builder -> windowed(left(builder).groupByKey().windowedBy(sessions).reduce(Long::sum, kept()).toStream()));
            run("sessions_closed", at, builder -> windowed(left(builder).groupByKey().windowedBy(sessions).emitStrategy(EmitStrategy.onWindowClose()).reduce(Long::sum, kept()).toStream()));
            run("join", at, builder -> told(left(builder).join(right(builder), Golden::pair, windows, joined())));
            run("left_join", at, builder -> told(left(builder).leftJoin(right(builder), Golden::pair, windows, joined())));
            run("outer_join", at, builder -> told(left(builder).outerJoin(right(builder), Golden::pair, windows, joined())));
            run("join_table", at, builder -> told(left(builder).join(table(builder, "r"), Golden::pair)));
            run("left_join_table", at, builder -> told(left(builder).leftJoin(table(builder, "r"), Golden::pair)));
            run("join_versioned", at, builder -> told(left(builder).join(versioned(builder, "r"), Golden::pair)));
            run("left_join_versioned", at, builder -> told(left(builder).leftJoin(versioned(builder, "r"), Golden::pair)));
            run("table_join", at, builder -> told(table(builder, "l").join(table(builder, "r"), Golden::pair).toStream()));
            run("table_left_join", at, builder -> told(table(builder, "l").leftJoin(table(builder, "r"), Golden::pair).toStream()));
        }
    }

    private static String pair(Long left, Long right) {
        return text(left) + "+" + text(right);
    }

    private static String text(Object value) {
        return value == null ? "-" : value.toString();
    }

    private static KStream<String, Long> left(StreamsBuilder builder) {
        return builder.stream("l", Consumed.with(Serdes.String(), Serdes.Long()));
    }

    private static KStream<String, Long> right(StreamsBuilder builder) {
        return builder.stream("r", Consumed.with(Serdes.String(), Serdes.Long()));
    }

    private static KTable<String, Long> table(StreamsBuilder builder, String topic) {
        return builder.table(topic, Consumed.with(Serdes.String(), Serdes.Long()), Materialized.as(Stores.inMemoryKeyValueStore(topic)));
    }

    private static KTable<String, Long> versioned(StreamsBuilder builder, String topic) {
        return builder.table(topic, Consumed.with(Serdes.String(), Serdes.Long()),
            Materialized.as(Stores.persistentVersionedKeyValueStore(topic, Duration.ofDays(1))));
    }

    private static StreamJoined<String, Long, Long> joined() {
        return StreamJoined.with(Serdes.String(), Serdes.Long(), Serdes.Long());
    }

    /** Sessions that are gone once they are closed, not a millisecond before as is usual: they could not be extended, but overwritten. */
    private static Materialized<String, Long, SessionStore<Bytes, byte[]>> kept() {
        Duration kept = GAP.plus(GRACE).plusMillis(1);
        return Materialized.<String, Long, SessionStore<Bytes, byte[]>>with(Serdes.String(), Serdes.Long()).withRetention(kept);
    }

    /** Windows that are still there when they are closed, however far stream time jumps. */
    private static Materialized<String, Long, WindowStore<Bytes, byte[]>> retained() {
        return Materialized.<String, Long, WindowStore<Bytes, byte[]>>with(Serdes.String(), Serdes.Long()).withRetention(Duration.ofDays(1));
    }

    private static <V> void told(KStream<String, V> results) {
        tell(results, key -> key + "\t-\t-");
    }

    private static <V> void windowed(KStream<Windowed<String>, V> results) {
        tell(results, key -> key.key() + "\t" + key.window().start() + "\t" + key.window().end());
    }

    private static <K, V> void tell(KStream<K, V> results, java.util.function.Function<K, String> name) {
        ProcessorSupplier<K, V, Void, Void> teller = () -> new Processor<>() {
            @Override
            public void process(Record<K, V> record) {
                OUT.add("out\t" + name.apply(record.key()) + "\t" + text(record.value()) + "\t" + record.timestamp());
            }
        };
        results.process(teller);
    }

    private static void run(String operator, long seed, Build build) throws Exception {
        System.out.println("case\t" + operator + "\t" + seed);
        Random random = new Random(seed * 31 + operator.hashCode());
        StreamsBuilder builder = new StreamsBuilder();
        build.on(builder);
        Properties config = new Properties();
        File state = Files.createTempDirectory("golden").toFile();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "golden");
        config.put(StreamsConfig.STATE_DIR_CONFIG, state.getPath());
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.LongSerde.class);
        // Each change is told, and nothing outlives its store in a cache.
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0L);
        // Results of windows and lone records of joins are told as soon as their window is closed, not once a second.
        config.put("__emit.interval.ms.kstreams.windowed.aggregation__", 0L);
        config.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0L);
        boolean isOfTwo = operator.contains("join");
        boolean hasDeletions = operator.contains("table") || operator.contains("versioned");
        try (TopologyTestDriver driver = new TopologyTestDriver(builder.build(), config, Instant.ofEpochMilli(0))) {
            TestInputTopic<String, Long> left = driver.createInputTopic("l", Serdes.String().serializer(), Serdes.Long().serializer());
            TestInputTopic<String, Long> right = isOfTwo ? driver.createInputTopic("r", Serdes.String().serializer(), Serdes.Long().serializer()) : null;
            long now = 1_000;
            Set<String> versions = new HashSet<>();
            for (int number = 0; number < 60; number++) {
                now += random.nextInt(10) == 0 ? random.nextInt(40) : random.nextInt(4);
                boolean isRight = isOfTwo && random.nextBoolean();
                String key = random.nextInt(3) == 0 ? "b" : "a";
                boolean isDeletion = hasDeletions && (isRight || operator.startsWith("table")) && random.nextInt(6) == 0;
                Long value = isDeletion ? null : (long) (number + 1);
                long time = now - (random.nextInt(3) == 0 ? random.nextInt(22) : 0);
                // The versioned store forgets a deletion that is of the same time as the row before it.
                while (operator.endsWith("versioned") && isRight && !versions.add(key + time)) {
                    time++;
                }
                System.out.println("in\t" + (isRight ? "r" : "l") + "\t" + key + "\t" + text(value) + "\t" + time);
                OUT.clear();
                lookForLone(driver);
                (isRight ? right : left).pipeInput(new org.apache.kafka.streams.test.TestRecord<>(key, value, null, time));
                OUT.forEach(System.out::println);
            }
        }
    }

    /**
     * Lets joins look for lone records of closed windows at the next record. They spare themselves that by a bound of the oldest one's time,
     * which is the newest one's after a look in vain, so that they tell some much later than their windows close.
     */
    private static void lookForLone(TopologyTestDriver driver) throws ReflectiveOperationException {
        for (ProcessorNode<?, ?, ?, ?> node : ((ProcessorTopology) field(TopologyTestDriver.class, "processorTopology").get(driver)).processors()) {
            Object processor = field(ProcessorNode.class, "processor").get(node);
            if (processor != null && processor.getClass().getSimpleName().startsWith("KStreamKStream")) {
                Object tracker = field(processor.getClass().getSuperclass(), "sharedTimeTracker").get(processor);
                field(tracker.getClass(), "minTime").setLong(tracker, 0);
            }
        }
    }

    private static Field field(Class<?> type, String name) throws ReflectiveOperationException {
        Field field = type.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }
}
