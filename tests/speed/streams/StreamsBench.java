import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.*;

/** The topologies of `topologies.rs`, for Kafka Streams: StreamsBench BOOTSTRAP APPLICATION TOPOLOGY GUARANTEE OUTPUT. Runs until it is killed. */
public final class StreamsBench {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("application.id", arguments[1]);
        properties.put("processing.guarantee", arguments[3].equals("exactly-once") ? "exactly_once_v2" : "at_least_once");
        properties.put("commit.interval.ms", arguments[3].equals("exactly-once") ? "100" : "1000");
        properties.put("state.dir", Files.createTempDirectory("weir-streams").toString());
        properties.put("auto.offset.reset", "earliest");
        properties.put("replication.factor", "1");
        // As in the other program: every result is published, none is held back to be overtaken by the next.
        properties.put("statestore.cache.max.bytes", "0");
        KafkaStreams streams = new KafkaStreams(topology(arguments[2], arguments[4]).build(), properties);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
        streams.start();
    }

    private static StreamsBuilder topology(String name, String output) {
        StreamsBuilder builder = new StreamsBuilder();
        Produced<String, JsonNode> json = Produced.with(Serdes.String(), json());
        KStream<String, JsonNode> events = builder.stream("events", Consumed.with(Serdes.String(), json()));
        switch (name) {
            case "map" -> events.mapValues(event -> (JsonNode) ((ObjectNode) event).put("price", event.get("price").asLong() * 2)).to(output, json);
            case "count" -> events.groupByKey(Grouped.with(Serdes.String(), json()))
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ZERO))
                .count(Materialized.with(Serdes.String(), Serdes.Long()))
                .toStream((window, count) -> window.key())
                .to(output, Produced.with(Serdes.String(), Serdes.Long()));
            case "join" -> {
                KTable<String, JsonNode> users = builder.table("users", Consumed.with(Serdes.String(), json()));
                events.join(users, (event, user) -> (JsonNode) ((ObjectNode) event).put("country", user.get("country").asText())).to(output, json);
            }
            case "sessions" -> events.groupByKey(Grouped.with(Serdes.String(), json()))
                .windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofSeconds(5), Duration.ZERO))
                .count(Materialized.with(Serdes.String(), Serdes.Long()))
                .toStream((window, count) -> window.key())
                .to(output, Produced.with(Serdes.String(), Serdes.Long()));
            default -> throw new IllegalArgumentException(name);
        }
        return builder;
    }

    private static Serde<JsonNode> json() {
        return Serdes.serdeFrom(
            (topic, value) -> { try { return value == null ? null : JSON.writeValueAsBytes(value); } catch (Exception error) { throw new RuntimeException(error); } },
            (topic, bytes) -> { try { return bytes == null ? null : JSON.readTree(bytes); } catch (Exception error) { throw new RuntimeException(error); } });
    }
}
