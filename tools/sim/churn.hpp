// SPDX-License-Identifier: Apache-2.0
// How long nodes stay. Session lengths are Weibull: with a shape below 1 most sessions are short and a few are very
// long, as measured in the public DHT (shape 0.43, scale 473 min). Pure and seeded.
#pragma once

#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::tools::sim {

class Churn {
 public:
  /// shape > 0, scale > 0.
  Churn(double shape, wire::Duration scale);
  [[nodiscard]] static Churn public_dht();

  /// Length of a session that begins now.
  [[nodiscard]] wire::Duration draw_session(wire::Rng& rng) const;
  /// What is left of the session of a node that is met at a random moment: long sessions are met more often. This is
  /// how a crowd in its stationary state begins.
  [[nodiscard]] wire::Duration draw_residual(wire::Rng& rng) const;
  [[nodiscard]] wire::Duration mean() const;

 private:
  double shape_;
  double scale_seconds_;
};

}  // namespace lodestone::tools::sim
