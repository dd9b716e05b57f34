// SPDX-License-Identifier: Apache-2.0
// SIGHUP as a wish, not an end: while one of these lives, its function is called on the network thread each time the
// signal comes (several that come at once may be one call). For what runs until stopped; at most one at a time.
#pragma once

#include <functional>
#include <memory>

namespace lodestone::node {

class Runtime;

class HangupWatch {
 public:
  HangupWatch(Runtime& runtime, std::function<void()> f);
  ~HangupWatch();
  HangupWatch(const HangupWatch&) = delete;
  HangupWatch& operator=(const HangupWatch&) = delete;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace lodestone::node
