// SPDX-License-Identifier: Apache-2.0
// What a node counts: what came in and went out, and whatever it dropped, throttled, refused, gave up or evicted, each
// by its reason. Plain numbers since the node's start that only grow; some are kept by the units and gathered by
// Node::counters(). kCounters gives each its name, under which it is saved and shown, and says what it means.
// Invariant: kCounters has every member once.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace lodestone::dht {

/// Of an introducer; all zero where there is none.
struct IntroducerCounters {
  std::uint64_t served = 0, served_again = 0, nodes_handed = 0;  // queries for nodes; again: short, within 10 min
  std::uint64_t pings = 0, pings_early = 0, pongs = 0;
  std::uint64_t queued = 0, queued_already = 0;  // newcomers that wait for their ping
  std::uint64_t queue_full = 0;                  // and those who may not
  std::uint64_t postponed = 0;                   // had asked us again when their time had come
  std::uint64_t added = 0, added_early = 0, displaced = 0, renewed = 0;
  // Answered, and were not taken: we; too soon to tell; another port of that address is here; by ContactRing::Verdict.
  std::uint64_t refused_self = 0, refused_early = 0, refused_taken = 0, refused_full = 0, refused_crowded = 0,
                refused_unproven = 0;
  std::uint64_t silent = 0;   // out: did not answer twice
  std::uint64_t excused = 0;  // T5: nobody could be heard
};

struct Counters : IntroducerCounters {
  // --- what came in ---
  std::uint64_t datagrams_in = 0, queries_in = 0, replies_in = 0, errors_in = 0, announces_in = 0, puts_in = 0;
  std::uint64_t answered_unverified = 0;                    // S3
  std::uint64_t misnamed_replies = 0, named_corrected = 0;  // L6

  // --- what was dropped or refused ---
  std::uint64_t refused_source = 0;  // S5
  std::uint64_t malformed_in = 0, malformed_queries = 0, stray_replies = 0;
  std::uint64_t throttled_address = 0, throttled_prefix = 0;  // S4
  std::uint64_t unanswered_read_only = 0;                     // T7
  std::uint64_t unanswered_unverified = 0;                    // S3
  std::uint64_t unanswered_transaction = 0;
  std::uint64_t tokens_refused = 0, tokens_withheld = 0;  // S1
  std::uint64_t announces_bad_port = 0, store_refused = 0;
  std::uint64_t puts_refused = 0, puts_full = 0, puts_invalid = 0, puts_conflict = 0;
  std::uint64_t replies_own_id = 0;
  std::uint64_t named_refused = 0, named_avoided = 0;  // S5, L6
  // L4: what replies gave as peers.
  std::uint64_t peers_malformed = 0, peers_port = 0, peers_kind = 0, peers_own = 0, peers_duplicate = 0,
                peers_surplus = 0;
  std::uint64_t items_invalid = 0;
  // T2: who turned up by himself and is not to be verified.
  std::uint64_t strangers_read_only = 0, strangers_crowded = 0, strangers_unwanted = 0, strangers_unqueued = 0;
  std::uint64_t verify_avoided = 0, verify_displaced = 0, verify_outdated = 0;
  std::uint64_t contacts_crowded = 0, contacts_twin = 0;  // T4

  // --- what went out ---
  std::uint64_t queries_out = 0, replies_out = 0, errors_out = 0, store_asked = 0;
  std::uint64_t queries_slow = 0, queries_overdue = 0, timeouts = 0;  // L2
  std::uint64_t failures_excused = 0, outages = 0;                    // T5
  std::uint64_t refused_destination = 0;                              // S5
  std::uint64_t queries_starved = 0, queries_refused = 0;
  std::uint64_t samples_too_soon = 0;                                                              // S6
  std::uint64_t introducers_silent = 0, introducers_refused = 0, introducers_displaced = 0;        // T9
  std::uint64_t lookups_done = 0, lookups_unanswered = 0, lookups_crowded = 0, lookups_liars = 0;  // L8, L6
  std::uint64_t told = 0, told_in_vain = 0, items_superseded = 0;

  // --- what was kept and is gone ---
  std::uint64_t evicted = 0, evicted_silent = 0, evicted_impostor = 0, evicted_replaced = 0, evicted_moved = 0;
  std::uint64_t contacts_demoted = 0, spares_displaced = 0;
  std::uint64_t peers_expired = 0, peers_displaced = 0;  // S2
  std::uint64_t items_expired = 0, items_displaced = 0;  // S8
  std::uint64_t store_silent = 0, store_impostor = 0, store_displaced = 0, store_crowded = 0, store_no_room = 0;
  std::uint64_t lookups_forgotten = 0, endpoints_displaced = 0, sources_displaced = 0;
};

enum class CounterGroup : std::uint8_t { in, dropped, out, evicted };

struct CounterInfo {
  std::string_view name;
  std::uint64_t Counters::* value;
  CounterGroup group;
  std::string_view meaning;
  std::string_view brief = {};  // behind a number, for a short line; only of those that may say that something is wrong
};

namespace counter_table {

using enum CounterGroup;
using C = Counters;

inline constexpr std::array kAll = std::to_array<CounterInfo>({
    {"datagrams_in", &C::datagrams_in, in, "datagrams received"},
    {"queries_in", &C::queries_in, in, "queries that were read"},
    {"replies_in", &C::replies_in, in, "replies to queries of ours"},
    {"errors_in", &C::errors_in, in, "error replies to queries of ours"},
    {"announces_in", &C::announces_in, in, "announcements of peers"},
    {"puts_in", &C::puts_in, in, "items that were put here"},
    {"answered_unverified", &C::answered_unverified, in,
     "queries of unverified prefixes, answered within their budget"},
    {"misnamed_replies", &C::misnamed_replies, in, "replies under another id than somebody had named, used"},
    {"named_corrected", &C::named_corrected, in, "named ids that were put right"},

    {"refused_source", &C::refused_source, dropped, "datagrams from a kind of address that is not talked to"},
    {"malformed_in", &C::malformed_in, dropped, "datagrams that are no message", "malformed"},
    {"malformed_queries", &C::malformed_queries, dropped, "of these queries, which deserve an error"},
    {"stray_replies", &C::stray_replies, dropped, "replies that nobody waits for, or too late", "stray replies"},
    {"throttled_address", &C::throttled_address, dropped, "datagrams beyond the rate of an address",
     "throttled by address"},
    {"throttled_prefix", &C::throttled_prefix, dropped, "datagrams beyond the rate of a prefix", "throttled by prefix"},
    {"unanswered_read_only", &C::unanswered_read_only, dropped, "queries not answered, because we only ask"},
    {"unanswered_unverified", &C::unanswered_unverified, dropped,
     "queries not answered, because the byte budget of an unverified prefix was spent", "beyond a byte budget"},
    {"unanswered_transaction", &C::unanswered_transaction, dropped,
     "queries not answered, because their transaction id is too long"},
    {"tokens_refused", &C::tokens_refused, dropped, "announcements and puts with a wrong or old token",
     "with a bad token"},
    {"tokens_withheld", &C::tokens_withheld, dropped, "replies without a token, because the store is full"},
    {"announces_bad_port", &C::announces_bad_port, dropped, "announcements of port 0 or 1"},
    {"store_refused", &C::store_refused, dropped, "announcements refused, because the store is full",
     "announces to a full store"},
    {"puts_refused", &C::puts_refused, dropped, "puts refused, for one of the next three reasons", "puts refused"},
    {"puts_full", &C::puts_full, dropped, "puts refused, because the store is full"},
    {"puts_invalid", &C::puts_invalid, dropped, "puts refused for their form, size or signature"},
    {"puts_conflict", &C::puts_conflict, dropped, "puts refused for the version that is here"},
    {"replies_own_id", &C::replies_own_id, dropped, "replies under our own id"},
    {"named_refused", &C::named_refused, dropped, "named nodes at a kind of address that is not talked to"},
    {"named_avoided", &C::named_avoided, dropped, "named nodes that had not answered of late"},
    {"peers_malformed", &C::peers_malformed, dropped, "found peers that are no endpoint of our family"},
    {"peers_port", &C::peers_port, dropped, "found peers at port 0 or 1"},
    {"peers_kind", &C::peers_kind, dropped, "found peers at a kind of address that is not talked to"},
    {"peers_own", &C::peers_own, dropped, "found peers that are ourselves"},
    {"peers_duplicate", &C::peers_duplicate, dropped, "found peers at one address more than once in a reply"},
    {"peers_surplus", &C::peers_surplus, dropped, "found peers beyond what a lookup takes"},
    {"items_invalid", &C::items_invalid, dropped, "found items that are not what was asked for, or not signed well",
     "forged items"},
    {"strangers_read_only", &C::strangers_read_only, dropped, "askers not met, because they only ask"},
    {"strangers_crowded", &C::strangers_crowded, dropped,
     "askers not met, because a neighbour of their address is here"},
    {"strangers_unwanted", &C::strangers_unwanted, dropped, "askers not met, because their bucket is full"},
    {"strangers_unqueued", &C::strangers_unqueued, dropped,
     "askers not looked at, because too many wait to be verified"},
    {"verify_avoided", &C::verify_avoided, dropped, "contacts not verified, because they were just asked in vain"},
    {"verify_displaced", &C::verify_displaced, dropped, "contacts that waited to be verified and gave way"},
    {"verify_outdated", &C::verify_outdated, dropped, "contacts that were not wanted any more when their turn came"},
    {"contacts_crowded", &C::contacts_crowded, dropped,
     "nodes that answered and were not let in, because of a contact of their address or prefix"},
    {"contacts_twin", &C::contacts_twin, dropped,
     "nodes that answered and were not let in, because a contact elsewhere has their id"},

    {"queries_out", &C::queries_out, out, "queries sent"},
    {"replies_out", &C::replies_out, out, "replies sent"},
    {"errors_out", &C::errors_out, out, "error replies sent"},
    {"store_asked", &C::store_asked, out, "queries for the upkeep of the contact store"},
    {"queries_slow", &C::queries_slow, out, "queries whose slot went to another one"},
    {"queries_overdue", &C::queries_overdue, out, "queries that nobody waited for any longer"},
    {"timeouts", &C::timeouts, out, "queries that were never answered"},
    {"failures_excused", &C::failures_excused, out, "of these held against nobody, because we were offline"},
    {"outages", &C::outages, out, "times when nobody at all could be heard", "outages"},
    {"refused_destination", &C::refused_destination, out,
     "queries not sent to a kind of address that is not talked to"},
    {"queries_starved", &C::queries_starved, out, "times when lookups had to wait for queries that were out",
     "waits for a full query table"},
    {"queries_refused", &C::queries_refused, out, "single queries not sent, because too many were out",
     "refused by a full query table"},
    {"samples_too_soon", &C::samples_too_soon, out, "nodes not asked for samples before their time"},
    {"introducers_silent", &C::introducers_silent, out, "queries to introducers that were never answered",
     "silent introducers"},
    {"introducers_refused", &C::introducers_refused, out, "queries to introducers answered by an error"},
    {"introducers_displaced", &C::introducers_displaced, out, "introducers that gave way to newer ones"},
    {"lookups_done", &C::lookups_done, out, "lookups of our users that have ended"},
    {"lookups_unanswered", &C::lookups_unanswered, out, "of these without a single answer", "lookups unanswered"},
    {"lookups_crowded", &C::lookups_crowded, out, "candidates not asked, because a neighbour of their address was"},
    {"lookups_liars", &C::lookups_liars, out, "candidates not asked, because only a liar had named them"},
    {"told", &C::told, out, "announcements and puts confirmed by a node"},
    {"told_in_vain", &C::told_in_vain, out, "announcements and puts refused by a node, or not answered"},
    {"items_superseded", &C::items_superseded, out, "items not put again, because somebody has a newer version"},

    {"evicted", &C::evicted, evicted, "contacts that left the table, for one of the next four reasons"},
    {"evicted_silent", &C::evicted_silent, evicted, "they did not answer twice in a row"},
    {"evicted_impostor", &C::evicted_impostor, evicted, "they answered under another id"},
    {"evicted_replaced", &C::evicted_replaced, evicted, "they had failed, and another node took their id or address"},
    {"evicted_moved", &C::evicted_moved, evicted, "they found no room when our id changed"},
    {"contacts_demoted", &C::contacts_demoted, evicted, "contacts that a split made spares"},
    {"spares_displaced", &C::spares_displaced, evicted, "spares that gave way"},
    {"peers_expired", &C::peers_expired, evicted, "stored peers that were not announced again"},
    {"peers_displaced", &C::peers_displaced, evicted, "stored peers that gave way to newer or closer ones"},
    {"items_expired", &C::items_expired, evicted, "stored items that were not put again"},
    {"items_displaced", &C::items_displaced, evicted, "stored items that gave way to closer ones"},
    {"store_silent", &C::store_silent, evicted, "nodes of the contact store that did not answer twice"},
    {"store_impostor", &C::store_impostor, evicted, "nodes of the contact store that answered under another id"},
    {"store_displaced", &C::store_displaced, evicted, "failed nodes of the contact store that gave way"},
    {"store_crowded", &C::store_crowded, evicted, "nodes that the contact store has enough of in their prefix"},
    {"store_no_room", &C::store_no_room, evicted, "nodes that the contact store has no room for"},
    {"lookups_forgotten", &C::lookups_forgotten, evicted, "ends of lookups that gave way to newer ones"},
    {"endpoints_displaced", &C::endpoints_displaced, evicted, "silent or misnamed endpoints forgotten for newer ones"},
    {"sources_displaced", &C::sources_displaced, evicted, "throttled sources forgotten for newer ones"},

    {"ring_served", &C::served, in, "queries for nodes that were answered from the ring"},
    {"ring_served_again", &C::served_again, in, "of these by a few nodes, because they had had some of late"},
    {"ring_queued", &C::queued, in, "newcomers that wait, or waited, for their ping"},
    {"ring_queued_already", &C::queued_already, in, "askers that waited for their ping already"},
    {"ring_pongs", &C::pongs, in, "pings of the ring that were answered"},
    {"ring_added", &C::added, in, "nodes that entered the ring"},
    {"ring_added_early", &C::added_early, in, "of these early, because the ring was young"},
    {"ring_renewed", &C::renewed, in, "nodes of the ring that answered again"},
    {"ring_queue_full", &C::queue_full, dropped, "newcomers not to be pinged, because too many wait",
     "newcomers to a full queue"},
    {"ring_postponed", &C::postponed, dropped, "pings put off, because the newcomer had just asked again"},
    {"ring_refused_self", &C::refused_self, dropped, "answers to the ring's pings under our own id"},
    {"ring_refused_early", &C::refused_early, dropped, "answers that came too early to prove anything"},
    {"ring_refused_taken", &C::refused_taken, dropped,
     "nodes not let in, because another one of their address is here"},
    {"ring_refused_full", &C::refused_full, dropped, "nodes not let in, because the ring is full"},
    {"ring_refused_crowded", &C::refused_crowded, dropped, "nodes not let in, because their prefix has its share"},
    {"ring_refused_unproven", &C::refused_unproven, dropped,
     "nodes not let in, because ids that addresses do not allow have their half"},
    {"ring_handed", &C::nodes_handed, out, "nodes of the ring that were handed out"},
    {"ring_pings", &C::pings, out, "pings of newcomers and of the ring"},
    {"ring_pings_early", &C::pings_early, out, "of these at once, because the ring was young"},
    {"ring_silent", &C::silent, evicted, "nodes that left the ring, because they did not answer twice"},
    {"ring_displaced", &C::displaced, evicted, "nodes that left the ring for others"},
    {"ring_excused", &C::excused, evicted, "silences of the ring that count for nothing, because we were offline"},
});

/// Each member once: what is marked twice was named twice, and then one is missing.
consteval bool complete() {
  Counters marks;
  for (const CounterInfo& info : kAll)
    if (++(marks.*info.value) != 1) return false;
  return kAll.size() * sizeof(std::uint64_t) == sizeof(Counters);
}
static_assert(complete());

}  // namespace counter_table

inline constexpr const auto& kCounters = counter_table::kAll;

}  // namespace lodestone::dht
