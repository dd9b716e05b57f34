// SPDX-License-Identifier: Apache-2.0
// Connections between hosts: reliable byte streams with latency, rates and bounded buffers, like TCP as an application
// sees it. A host's uplink sends one segment at a time and takes its streams in turn; its downlink receives one at a
// time. A lost segment comes a retransmission later. A reader that does not consume stops the writer (window).
// Everything an observer is told comes from World::step(), never from inside a call of his.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tools/sim/world.hpp"
#include "wire/base/slab.hpp"

namespace lodestone::tools::sim {

/// One end of a connection.
using StreamKey = wire::SlabKey<struct StreamTag>;

enum class DialOutcome : std::uint8_t { connected, refused, timed_out };

class StreamObserver {
 public:
  virtual ~StreamObserver() = default;
  virtual void on_accept(StreamKey stream, const Endpoint& remote) = 0;
  /// `stream` is valid only if connected.
  virtual void on_dialled(const Endpoint& to, DialOutcome outcome, StreamKey stream) = 0;
  virtual void on_readable(StreamKey stream) = 0;
  /// write() takes bytes again after it had not taken all.
  virtual void on_writable(StreamKey stream) = 0;
  /// The remote closed, and all it sent has been consumed. The stream is gone.
  virtual void on_end(StreamKey stream) = 0;
};

struct StreamConfig {
  std::size_t segment = 8 * 1024;       // bytes
  std::size_t window = 256 * 1024;      // sent and not consumed by the reader
  std::size_t send_buffer = 64 * 1024;  // accepted and not yet sent
  Duration dial_timeout = std::chrono::seconds(5);
  Duration retransmit = std::chrono::milliseconds(200);  // beside a round trip
};

struct LineRate {
  double up_bytes_per_second = 12.5e6;
  double down_bytes_per_second = 12.5e6;
};

class Streams {
 public:
  explicit Streams(World& world, const StreamConfig& config = {});
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  void set_rate(HostId host, LineRate rate);
  /// The observer must outlive the run.
  void listen(HostId host, std::uint16_t port, StreamObserver& observer);
  void stop_listening(HostId host, std::uint16_t port);
  /// on_dialled follows. Refused: the host is there and nobody listens. Timed out: no such host, down, or behind a NAT.
  void dial(HostId from, const Endpoint& to, StreamObserver& observer);

  /// Bytes taken; fewer than given when the buffer is full: on_writable follows. 0 on a stale key.
  std::size_t write(StreamKey stream, Bytes bytes);
  /// What has come and is not consumed.
  [[nodiscard]] Bytes readable(StreamKey stream) const;
  void consume(StreamKey stream, std::size_t n);
  /// What was written still goes out. The observer is told nothing more.
  void close(StreamKey stream);
  [[nodiscard]] bool open(StreamKey stream) const;

  /// Payload bytes that left that host.
  [[nodiscard]] std::uint64_t sent_by(HostId host) const;

 private:
  struct End {
    HostId host = 0;
    Endpoint local, remote;
    StreamKey other;
    StreamObserver* observer = nullptr;  // null: closed by its owner
    wire::ByteVector unsent;             // from unsent_at on
    std::size_t unsent_at = 0;
    std::size_t outstanding = 0;  // sent, not consumed by the reader
    bool in_line = false;         // waits for the uplink
    bool leaving = false;         // a segment of it is on the uplink
    bool wants_writable = false;
    bool closing = false;       // ends when unsent is out
    wire::ByteVector received;  // from received_at on
    std::size_t received_at = 0;
    bool remote_closed = false;
    Instant last_arrival{};  // of what it sent: order is kept
  };
  struct Line {
    LineRate rate;
    std::deque<StreamKey> waiting;
    bool busy = false;
    Instant down_free{};
    std::uint64_t sent = 0;
  };

  [[nodiscard]] Line& line(HostId host);
  void knock(HostId from, const Endpoint& local, const Endpoint& to, StreamObserver& observer);
  void enqueue(StreamKey key, End& end);
  void pump(HostId host);
  void transmit(StreamKey key, End& end);
  void arrive(StreamKey to, wire::ByteVector bytes);
  void acknowledge(StreamKey key, std::size_t n);
  void send_end(StreamKey key, End& end);
  void end_arrives(StreamKey to);
  void finish(StreamKey key);
  /// A segment's time of arrival at the other side, behind everything sent before.
  [[nodiscard]] Instant arrival(End& end, HostId to, std::size_t bytes);

  World& world_;
  StreamConfig config_;
  wire::Rng rng_;
  wire::Slab<End, StreamTag> ends_;
  std::map<std::pair<HostId, std::uint16_t>, StreamObserver*> listeners_;
  std::unordered_map<HostId, Line> lines_;
  std::uint32_t next_port_ = 0;
};

}  // namespace lodestone::tools::sim
