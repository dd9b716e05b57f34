// SPDX-License-Identifier: Apache-2.0
//
// The body of Asio, compiled here once for the whole program (ASIO_SEPARATE_COMPILATION). Every other source of node/
// sees declarations only, which halves its compile time.

#include <asio/impl/src.hpp>
