// SPDX-License-Identifier: Apache-2.0
// The queries that nearly everybody sends, read in one pass and without a list of tokens: sorted keys, none that we
// do not know, no number written in an odd way, nothing behind the end. For krpc::Decoder alone, which asks the full
// parser about everything else; and a look ahead, for a Front. Invariant (tests/fuzz/krpc_fast_fuzz.cpp): what is
// accepted here, the full parser reads as the very same Message, down to where its views point; nothing is ever refused
// here, only left to the other.
#pragma once

#include "dht/krpc.hpp"

namespace lodestone::dht::krpc {

/// Where the info-hash is if this is what most get_peers and announces look like, by the place alone, and all of it is
/// inside; nullptr: it looks otherwise. A guess, for who wants to fetch what it will be asked for.
[[nodiscard]] const std::uint8_t* likely_info_hash(Bytes datagram);

/// True: the datagram is a query in the usual layout, and `out`, which holds a Query as new, is what it says. False:
/// somebody else has to look; what `out` holds then means nothing.
[[nodiscard]] bool read_usual_query(Bytes datagram, Message& out);

}  // namespace lodestone::dht::krpc
