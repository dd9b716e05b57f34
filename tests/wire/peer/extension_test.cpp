// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/extension.hpp"

#include <catch2/catch.hpp>

using namespace lodestone::wire;

namespace {

ExtensionHandshake decoded(std::string_view text) {
  const auto h = ExtensionHandshake::decode(as_bytes(text));
  REQUIRE(h);
  return *h;
}

std::string encoded(const ExtensionHandshake& h) {
  ByteVector out;
  h.encode(out);
  return std::string{as_text(out)};
}

}  // namespace

TEST_CASE("an extension handshake says everything that BEP 10 gives a key") {
  ExtensionHandshake h;
  h.ut_metadata = 1;
  h.ut_pex = 2;
  h.metadata_size = 31235;
  h.listen_port = 6881;
  h.request_queue = 500;
  h.upload_only = true;
  h.client = "Lodestone 0.1";
  h.your_ip = Address::v4(1, 2, 3, 4);
  CHECK(encoded(h) ==
        "d1:md11:ut_metadatai1e6:ut_pexi2ee13:metadata_sizei31235e1:pi6881e4:reqqi500e11:upload_onlyi1e"
        "1:v13:Lodestone 0.16:yourip4:\x01\x02\x03\x04"
        "e");
  const ExtensionHandshake back = decoded(encoded(h));
  CHECK(back.ut_metadata == 1);
  CHECK(back.ut_pex == 2);
  CHECK(back.metadata_size == 31235u);
  CHECK(back.listen_port == 6881);
  CHECK(back.request_queue == 500u);
  CHECK(back.upload_only == true);
  CHECK(back.client == "Lodestone 0.1");
  CHECK(back.your_ip == Address::v4(1, 2, 3, 4));
  CHECK(encoded({}) == "d1:mdee");
}

TEST_CASE("what an extension handshake cannot mean is dropped") {
  const ExtensionHandshake h =
      decoded("d1:md11:ut_metadatai256e6:ut_pexi-1ee13:metadata_sizei-5e1:pi0e4:reqqi0e6:yourip3:abce");
  CHECK_FALSE(h.ut_metadata);
  CHECK_FALSE(h.ut_pex);
  CHECK_FALSE(h.metadata_size);
  CHECK_FALSE(h.listen_port);
  CHECK_FALSE(h.request_queue);
  CHECK_FALSE(h.your_ip);
  CHECK_FALSE(decoded("d1:pi65536ee").listen_port);
  CHECK(decoded("d4:reqqi99999999999ee").request_queue == 0xffffffffu);
  CHECK_FALSE(decoded("d1:m3:abc1:pde4:reqq1:xe").ut_pex);
}

TEST_CASE("a client's name is short and printable, whatever it sends") {
  CHECK(decoded("d1:v64:" + std::string(64, 'x') + "e").client == std::string(64, 'x'));
  CHECK(decoded("d1:v65:" + std::string(65, 'x') + "e").client.empty());
  CHECK(decoded("d1:v10:\xc2\xb5Torrent1e").client == "\xc2\xb5Torrent1");  // UTF-8
  CHECK(decoded("d1:v8:\xb5Torrente").client == "?Torrent");                // Latin-1
  CHECK(decoded("d1:v6:a\x1b[0m\x7f"
                "e")
            .client == "a?[0m?");
  CHECK(decoded("d1:v3:\xc2\x9bme").client == "??m");  // a C1 control character
}

TEST_CASE("M5 an id of 0 disables and a repeated extension handshake overrides what it names") {
  ExtensionHandshake h = decoded("d1:md11:ut_metadatai3e6:ut_pexi4ee13:metadata_sizei100e1:v1:ae");
  h.update(decoded("d1:md6:ut_pexi0ee1:pi7000ee"));
  CHECK(h.ut_metadata == 3);
  CHECK(h.ut_pex == 0);
  CHECK(h.metadata_size == 100u);
  CHECK(h.listen_port == 7000);
  CHECK(h.client == "a");
  h.update(decoded("d1:md11:ut_metadatai9eee"));
  CHECK(h.ut_metadata == 9);
  CHECK(h.ut_pex == 0);
}

TEST_CASE("an extension handshake that is no dict is refused, trailing bytes are not") {
  CHECK_FALSE(ExtensionHandshake::decode(as_bytes("")));
  CHECK_FALSE(ExtensionHandshake::decode(as_bytes("le")));
  CHECK_FALSE(ExtensionHandshake::decode(as_bytes("d1:m")));
  CHECK(ExtensionHandshake::decode(as_bytes("d1:mdeeAAAA")));
  const std::string deep = "d1:m" + std::string(100, 'l') + std::string(100, 'e') + "e";
  CHECK(ExtensionHandshake::decode(as_bytes(deep)).error().error == bencode::Error::too_deep);
}
