// SPDX-License-Identifier: Apache-2.0
#include "dht/hand_out.hpp"

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

namespace lodestone::dht {
namespace {

wire::Endpoint endpoint(wire::Family family, int n) {
  const std::string host = family == wire::Family::v4 ? "9.8.7." : "[2606:4700::";
  return *wire::Endpoint::parse(host + std::to_string(n) + (family == wire::Family::v4 ? ":5" : "]:5"));
}

wire::ByteVector contacts(wire::Family family, int from, int count) {
  wire::ByteVector out;
  for (int n = from; n < from + count; ++n) {
    const CompactContact one{{wire::NodeId{}, endpoint(family, n)}};
    out.insert(out.end(), one.data(), one.data() + Contact::compact_size(family));
  }
  return out;
}

wire::ByteVector joined(wire::ByteVector a, const wire::ByteVector& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

bool same(wire::Bytes a, const wire::ByteVector& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

}  // namespace

TEST_CASE("What is handed out are the contacts whose turn it is, without the asker's own, in one piece") {
  const wire::Family family = GENERATE(wire::Family::v4, wire::Family::v6);
  const wire::ByteVector ten = contacts(family, 1, 10), six = contacts(family, 50, 6);
  const wire::Endpoint stranger = endpoint(family, 99);
  SECTION("one piece is shown where it lies") {
    const HandOut out(family, ten, {}, stranger);
    CHECK(out.contacts().data() == ten.data());
    CHECK(out.count() == 10);
  }
  SECTION("two pieces become one") {
    const HandOut out(family, ten, six, stranger);
    CHECK(out.count() == 16);
    CHECK(same(out.contacts(), joined(ten, six)));
    HandOut copy = out;  // a value
    CHECK(same(copy.contacts(), joined(ten, six)));
    CHECK(copy.contacts().data() != out.contacts().data());
    copy = HandOut(family, ten, {}, stranger);
    CHECK(copy.contacts().data() == ten.data());
    copy = HandOut();
    CHECK(copy.count() == 0);
  }
  SECTION("whoever asks is left out, wherever he is") {
    for (int n = 1; n <= 10; ++n) {
      const HandOut out(family, ten, {}, endpoint(family, n));
      CHECK(same(out.contacts(), joined(contacts(family, 1, n - 1), contacts(family, n + 1, 10 - n))));
    }
    const HandOut out(family, ten, six, endpoint(family, 52));
    CHECK(out.count() == 15);
  }
  SECTION("only he: another port of his address is somebody else") {
    wire::Endpoint neighbour = endpoint(family, 3);
    ++neighbour.port;
    CHECK(HandOut(family, ten, {}, neighbour).count() == 10);
  }
  SECTION("somebody of the other family is not there") {
    const wire::Family other = family == wire::Family::v4 ? wire::Family::v6 : wire::Family::v4;
    CHECK(HandOut(family, ten, six, endpoint(other, 3)).count() == 16);
  }
  SECTION("nobody but the asker is nobody") {
    const wire::ByteVector one = contacts(family, 3, 1);
    const HandOut out(family, one, {}, endpoint(family, 3));
    CHECK(out.count() == 0);
    CHECK(out.contacts().empty());
    CHECK(HandOut().count() == 0);
  }
}

}  // namespace lodestone::dht
