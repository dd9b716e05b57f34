// SPDX-License-Identifier: Apache-2.0
#include "wire/base/hash.hpp"

#include <exception>

#include <openssl/evp.h>
#include <sodium/crypto_shorthash_siphash24.h>
#include <sodium/utils.h>

namespace lodestone::wire {
namespace {

// Fetching walks OpenSSL's provider tables under a lock, which costs more than hashing a small message: once is enough.
// The digests live as long as the process, as OpenSSL frees its own tables at exit.
const EVP_MD* fetched(const char* name) {
  const EVP_MD* md = EVP_MD_fetch(nullptr, name, nullptr);
  if (md == nullptr) std::terminate();  // A libcrypto without SHA cannot run this program.
  return md;
}
const EVP_MD* sha1_md() {
  static const EVP_MD* const md = fetched("SHA1");
  return md;
}
const EVP_MD* sha256_md() {
  static const EVP_MD* const md = fetched("SHA256");
  return md;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* ctx) const { EVP_MD_CTX_free(ctx); }
};

}  // namespace

namespace detail {

/// A digest context that is always ready for update(). OpenSSL reports only misuse and lack of memory here.
class Digest {
 public:
  explicit Digest(const EVP_MD* md) : ctx_(EVP_MD_CTX_new()) {
    if (ctx_ == nullptr || EVP_DigestInit_ex2(ctx_.get(), md, nullptr) != 1) std::terminate();
  }
  void update(Bytes data) {
    if (EVP_DigestUpdate(ctx_.get(), data.data(), data.size()) != 1) std::terminate();
  }
  template <class Out>
  Out finish() {
    Out out;
    // A null digest re-arms the context with the one it has, without a new allocation.
    if (EVP_DigestFinal_ex(ctx_.get(), out.data(), nullptr) != 1 ||
        EVP_DigestInit_ex2(ctx_.get(), nullptr, nullptr) != 1) {
      std::terminate();
    }
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, FreeContext> ctx_;
};

}  // namespace detail

struct Sha1::State : detail::Digest {
  State() : Digest(sha1_md()) {}
};
struct Sha256::State : detail::Digest {
  State() : Digest(sha256_md()) {}
};

Sha1::Sha1() : state_(std::make_unique<State>()) {}
Sha1::~Sha1() = default;
Sha1::Sha1(Sha1&&) noexcept = default;
Sha1& Sha1::operator=(Sha1&&) noexcept = default;
void Sha1::update(Bytes data) { state_->update(data); }
Sha1Digest Sha1::finish() { return state_->finish<Sha1Digest>(); }

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
void Sha256::update(Bytes data) { state_->update(data); }
Sha256Digest Sha256::finish() { return state_->finish<Sha256Digest>(); }

Sha1Digest sha1(Bytes data) {
  Sha1 hasher;
  hasher.update(data);
  return hasher.finish();
}

Sha256Digest sha256(Bytes data) {
  Sha256 hasher;
  hasher.update(data);
  return hasher.finish();
}

std::uint64_t siphash(const SipKey& key, Bytes data) {
  static_assert(crypto_shorthash_siphash24_BYTES == 8 && crypto_shorthash_siphash24_KEYBYTES == 16);
  std::array<std::uint8_t, 8> out;
  crypto_shorthash_siphash24(out.data(), data.data(), data.size(), key.data());
  // The algorithm defines its result as a number; libsodium hands it out little-endian.
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = (value << 8) | out[i];
  return value;
}

bool equal_constant_time(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace lodestone::wire
