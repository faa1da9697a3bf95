#include "loader/hub/repo_name.h"

#include <gtest/gtest.h>

#include "loader/hub/hub_settings.h"
#include "loader/hub/repo_listing.h"
#include "loader/hub/sha256.h"
#include "runtime/base/error.h"

namespace shoal::hub {
namespace {

TEST(RepoName, IsOwnerNameAndPerhapsQuant) {
  const RepoName repo = parse_repo_name("unsloth/Qwen3.5-35B-A3B-GGUF:UD-Q3_K_XL");
  EXPECT_EQ(repo.owner, "unsloth");
  EXPECT_EQ(repo.name, "Qwen3.5-35B-A3B-GGUF");
  EXPECT_EQ(repo.quant, "UD-Q3_K_XL");
  EXPECT_EQ(parse_repo_name("a/b").quant, "");
}

TEST(RepoName, RefusesWhatCouldLeaveAFolder) {
  for (const char* text : {"",
                           "a",
                           "/a",
                           "a/",
                           "a/b/c",
                           "../b",
                           "a/..",
                           "a/.b",
                           "a/b:",
                           "a/b:c/d",
                           "a/b:..",
                           "a b/c",
                           "a/b\n",
                           "a/b%2e",
                           "a\\b/c",
                           "http://a/b"})
    EXPECT_THROW(parse_repo_name(text), Error) << text;
  EXPECT_THROW(parse_repo_name("a/b", "refs/../x"), Error);
  EXPECT_THROW(parse_repo_name("a/" + std::string(201, 'x')), Error);
}

TEST(PlainPath, HasPlainNamesOnly) {
  EXPECT_TRUE(is_plain_path("UD-Q3_K_XL/M-00001-of-00005.gguf"));
  for (const char* path : {"", "/a", "a/", "a//b", "a/../b", "./a", "a/.b", "a b", "a\\b", "ä"})
    EXPECT_FALSE(is_plain_path(path)) << path;
  EXPECT_TRUE(is_plain_path("1/2/3/4/5/6/7/8"));
  EXPECT_FALSE(is_plain_path("1/2/3/4/5/6/7/8/9"));
}

TEST(Listing, TakesTheLargeFilesOwnSizeAndHash) {
  const std::string hash(64, 'a');
  const auto files = parse_listing(
      R"([{"type":"directory","path":"x.gguf","size":0},{"type":"file","path":"README.md","size":1},
          {"type":"file","path":"Q8_0/m.gguf","size":134,"oid":"b","lfs":{"oid":")" +
          hash + R"(","size":5000}},{"type":"file","path":"../m.gguf","size":1}])",
      "here");
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(files[0], (RemoteFile{"Q8_0/m.gguf", 5000, hash}));
  EXPECT_EQ(parse_listing(listing_json(files), "here"), files);
}

TEST(Listing, RefusesWhatIsNone) {
  for (const char* json :
       {"",
        "{}",
        "null",
        "[1]",
        "[",
        R"([{"type":"file","path":"a.gguf"}])",
        R"([{"type":"file","path":"a.gguf","size":-1}])",
        R"([{"type":"file","path":"a.gguf","size":1e30}])",
        R"([{"type":"file","path":"a.gguf","size":99999999999999999}])",
        R"([{"type":"file","path":"a.gguf","lfs":{"size":1,"oid":"../../etc"}}])"})
    EXPECT_THROW(parse_listing(json, "here"), Error) << json;
}

TEST(Sha256, OfTheStandardsExample) {
  Sha256 hash;
  hash.add("a");
  hash.add("bc");
  // FIPS 180-2, appendix B.1
  EXPECT_EQ(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(HubSettings, KeepTheTokenOffPlainHttp) {
  HubSettings settings;
  settings.token = "secret";
  settings.validate();
  settings.endpoints = {"http://127.0.0.1:80", "http://mirror.example"};
  settings.validate();
  settings.endpoints = {"http://mirror.example"};
  EXPECT_THROW(settings.validate(), Error);
  settings.token = "";
  settings.validate();
  for (const char* url :
       {"", "ftp://a", "a b", "https://user@host", "https://host/?x", "file:///x"}) {
    settings.endpoints = {url};
    EXPECT_THROW(settings.validate(), Error) << url;
  }
}

}  // namespace
}  // namespace shoal::hub
