// SPDX-License-Identifier: Apache-2.0
// Shows transfers in the way the streams ask for: a bar in place at the rate it is called (5 Hz), lines on a change of
// phase and every 10 s, JSON records at 1 Hz. Used by `get` and `seed`, on the network thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cli/output.hpp"
#include "tools/cli/transfer_phase.hpp"
#include "tools/cli/transfer_text.hpp"
#include "wire/base/id.hpp"
#include "wire/base/time.hpp"

namespace lodestone::tools {

/// What the session knows about that torrent now; what it has forgotten stays as it was. `now` is always set.
void refresh_facts(TransferFacts& facts, const node::Session& session, const wire::InfoHash& hash);

class GetProgress {
 public:
  static constexpr wire::Duration kTick = std::chrono::milliseconds(200);
  static constexpr double kLineEvery = 10;  // seconds
  static constexpr double kJsonEvery = 1;

  struct Shown {
    wire::InfoHash info_hash;
    TransferView view;
  };

  explicit GetProgress(Output& out) : out_(out) {}

  void phases(const Shown& shown, const std::vector<PhaseChange>& changes);
  /// A reason why nothing moves; said once.
  void stall(const Shown& shown, std::string_view code, std::string_view detail, std::string_view hint);
  /// Every kTick. `now`: seconds since process start.
  void tick(std::span<const Shown> all, double now);
  /// The last `progress` record of one that ends between two ticks.
  void last(const Shown& shown);

 private:
  [[nodiscard]] bool json() const { return out_.json() || out_.progress() == ProgressMode::json; }

  Output& out_;
  double next_line_ = kLineEvery;
  double next_json_ = 0;
};

}  // namespace lodestone::tools
