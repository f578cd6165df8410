#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "format/safetensors.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kIndex = "model.safetensors.index.json";

void WriteShard(const std::filesystem::path& path, std::initializer_list<std::string> names) {
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : names) {
    tensors.push_back({name, DType::kF16, {1}, std::as_bytes(std::span(name.data(), 2))});
  }
  ASSERT_TRUE(WriteSafetensors(path, tensors).ok());
}

class CheckpointTest : public testing::Test {
 protected:
  // Two shards: a.safetensors with aa, cc, unlisted; b.safetensors with bb.
  void SetUp() override {
    WriteShard(dir_.path() / "a.safetensors", {"aa", "cc", "unlisted"});
    WriteShard(dir_.path() / "b.safetensors", {"bb"});
  }
  void WriteIndex(std::string_view json) {
    ASSERT_TRUE(WriteFileAtomically(dir_.path() / kIndex, json).ok());
  }
  Status Open() { return Checkpoint::Open(dir_.path()).status(); }

  TempDir dir_;
};

TEST_F(CheckpointTest, FindsTensorsInTheirShards) {
  WriteIndex(R"({"metadata": {"total_size": 6}, "weight_map":
      {"cc": "a.safetensors", "bb": "b.safetensors", "aa": "a.safetensors"}})");
  const auto checkpoint = Checkpoint::Open(dir_.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  EXPECT_THAT(checkpoint->names(), ElementsAre("aa", "bb", "cc"));
  EXPECT_EQ(checkpoint->n_shards(), 2u);
  for (const char* name : {"aa", "bb", "cc"}) {
    const auto view = checkpoint->Find(name);
    ASSERT_TRUE(view.ok()) << name;
    EXPECT_EQ(std::memcmp(view->data.data(), name, 2), 0) << name;
  }
  EXPECT_FALSE(checkpoint->Contains("unlisted"));
  EXPECT_EQ(checkpoint->Find("unlisted").status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(Checkpoint::Open(dir_.path() / kIndex).ok()) << "an index by its own name";
}

TEST_F(CheckpointTest, TakesOneFile) {
  const auto one = Checkpoint::Open(dir_.path() / "a.safetensors");
  ASSERT_TRUE(one.ok()) << one.status().message();
  EXPECT_THAT(one->names(), ElementsAre("aa", "cc", "unlisted"));
  EXPECT_TRUE(one->Find("cc").ok());

  WriteIndex("broken");
  WriteShard(dir_.path() / "model.safetensors", {"only"});
  const auto both = Checkpoint::Open(dir_.path());
  ASSERT_TRUE(both.ok()) << "model.safetensors counts before an index";
  EXPECT_THAT(both->names(), ElementsAre("only"));
}

TEST_F(CheckpointTest, SaysWhatIsMissing) {
  EXPECT_EQ(Open().code(), StatusCode::kNotFound);
  EXPECT_THAT(Open().message(),
              HasSubstr("has neither model.safetensors nor model.safetensors.index.json"));
  EXPECT_EQ(Checkpoint::Open(dir_.path() / "none").status().code(), StatusCode::kNotFound);

  WriteIndex(R"({"weight_map": {"aa": "a.safetensors", "dd": "d.safetensors"}})");
  EXPECT_EQ(Open().code(), StatusCode::kNotFound);
  EXPECT_THAT(Open().message(), HasSubstr("index.json: "));
  EXPECT_THAT(Open().message(), HasSubstr("d.safetensors: No such file"));

  WriteIndex(R"({"weight_map": {"bb": "a.safetensors"}})");
  EXPECT_EQ(Open().code(), StatusCode::kCorruptData);
  EXPECT_THAT(Open().message(),
              HasSubstr("says that tensor \"bb\" is in \"a.safetensors\", which lacks it"));

  WriteIndex(R"({"weight_map": {"aa": "model.safetensors.index.json"}})");
  EXPECT_EQ(Open().code(), StatusCode::kCorruptData);
}

TEST(SafetensorsIndex, NamesWhatIsWrong) {
  struct Row {
    std::string_view json, message;
  };
  for (const Row& row : {
           Row{"", "i:1:1: not valid JSON"},
           Row{"[]", "i: is a list, must be an object"},
           Row{"{}", "i: weight_map is missing, must be an object"},
           Row{R"({"weight_map": []})", "i: weight_map is a list, must be an object"},
           Row{R"({"weight_map": {"a": 1}})", "i: weight_map.a is 1, must be a string"},
           Row{R"({"weight_map": {"a": ""}})",
               "i: weight_map.a is \"\", must be the name of a file in the same folder"},
           Row{R"({"weight_map": {"a": "../x"}})", "must be the name of a file in the same folder"},
           Row{R"({"weight_map": {"a": "/x"}})", "must be the name of a file in the same folder"},
           Row{R"({"weight_map": {"a": ".."}})", "must be the name of a file in the same folder"},
           Row{R"({"weight_map": {"a": "x\u0000"}})", "must be the name of a file"},
           Row{R"({"weight_map": {"a": "x", "a": "y"}})", "i: key \"a\" appears twice"},
           Row{R"({"weight_map": {"a": "x", "b": "y", "c": "z"}})",
               "i: weight_map has more than 2 tensors"},
       }) {
    const auto index = ParseSafetensorsIndex(row.json, "i", {.tensors = 2});
    EXPECT_THAT(index.status().message(), HasSubstr(row.message)) << row.json;
  }
  EXPECT_EQ(ParseSafetensorsIndex(R"({"weight_map": {}})", "i")->size(), 0u);
}

}  // namespace
}  // namespace quarry
