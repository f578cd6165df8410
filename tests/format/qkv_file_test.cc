#include "format/qkv_file.h"

#include <cmath>
#include <fstream>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::HasSubstr;

QkvInfo SmallInfo() {
  return {.model = "small",
          .layer = 3,
          .tokens = 5,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 8,
          .window = 7,
          .native_context = 2048,
          .rope = {1.0, 0.1, 1.0 / 3.0},
          .rope_magnitude = 1.0721};
}

// Row-major with two columns more than are used, as a model's rows have.
struct Rows {
  explicit Rows(const QkvInfo& i) : stride(i.q_width() + 2) {
    for (std::vector<float>* x : {&q, &k, &v}) x->resize(static_cast<size_t>(i.tokens * stride));
    std::iota(q.begin(), q.end(), 0.25f);
    std::iota(k.begin(), k.end(), 1000.0f);
    std::iota(v.begin(), v.end(), -9000.0f);
  }
  int64_t stride;
  std::vector<float> q, k, v;
};

Status WriteTo(const std::filesystem::path& path, const QkvInfo& info, const Rows& rows) {
  Result<QkvWriter> writer = QkvWriter::Create(path, info);
  if (!writer.ok()) return writer.status();
  for (const auto& [begin, n] : {std::pair<int64_t, int64_t>{0, 3}, {3, 2}}) {
    const int64_t at = begin * rows.stride;
    const Status s =
        writer->Write(n, rows.q.data() + at, rows.k.data() + at, rows.v.data() + at, rows.stride);
    if (!s.ok()) return s;
  }
  EXPECT_EQ(writer->written(), info.tokens);
  return writer->Commit();
}

TEST(QkvFile, GivesBackWhatWasWrittenInPieces) {
  const TempDir dir;
  const auto path = dir.path() / "f.safetensors";
  const QkvInfo info = SmallInfo();
  const Rows rows(info);
  ASSERT_TRUE(WriteTo(path, info, rows).ok());

  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto read = ReadQkvInfo(*file);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read, info);
  for (int64_t tokens : {int64_t{2}, info.tokens}) {
    const auto got = ReadQkvRows(*file, *read, tokens);
    ASSERT_TRUE(got.ok()) << got.status().message();
    ASSERT_EQ(got->q.size(), static_cast<size_t>(tokens * info.q_width()));
    ASSERT_EQ(got->v.size(), static_cast<size_t>(tokens * info.kv_width()));
    for (int64_t t = 0; t < tokens; ++t) {
      const auto at = static_cast<size_t>(t * rows.stride);
      for (int64_t c = 0; c < info.q_width(); ++c) {
        EXPECT_EQ(got->q[static_cast<size_t>(t * info.q_width() + c)],
                  rows.q[at + static_cast<size_t>(c)]);
      }
      for (int64_t c = 0; c < info.kv_width(); ++c) {
        const auto to = static_cast<size_t>(t * info.kv_width() + c);
        EXPECT_EQ(got->k[to], rows.k[at + static_cast<size_t>(c)]);
        EXPECT_EQ(got->v[to], rows.v[at + static_cast<size_t>(c)]);
      }
    }
  }
}

TEST(QkvFile, LeavesNothingUnlessItIsComplete) {
  const TempDir dir;
  const auto path = dir.path() / "f.safetensors";
  const QkvInfo info = SmallInfo();
  const Rows rows(info);
  {
    Result<QkvWriter> writer = QkvWriter::Create(path, info);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->Write(3, rows.q.data(), rows.k.data(), rows.v.data(), rows.stride).ok());
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  EXPECT_EQ(QkvWriter::Create(dir.path() / "none" / "f", info).status().code(),
            StatusCode::kNotFound);
}

// A file that says something wrong.
struct Broken {
  const char* name;
  const char* key;    // of the metadata
  const char* value;  // null: the key is left out
  const char* message;
};

std::map<std::string, std::string> GoodMetadata() {
  return {{"format", "quarry-qkv"},
          {"version", "1"},
          {"model", "m"},
          {"layer", "0"},
          {"first_position", "0"},
          {"tokens", "2"},
          {"heads", "2"},
          {"kv_heads", "1"},
          {"head_dim", "8"},
          {"window", "0"},
          {"native_context", "2048"},
          {"rotated", "no"},
          {"rope_frequencies", "1 0.5"},
          {"rope_magnitude", "1"}};
}

Result<QkvInfo> InfoOf(const std::map<std::string, std::string>& metadata,
                       DType dtype = DType::kF32, std::vector<int64_t> q_shape = {2, 2, 8},
                       bool with_v = true) {
  static const std::vector<std::byte> zeros(4096);
  const auto tensor = [&](const char* name, const std::vector<int64_t>& shape) {
    size_t bytes = dtype == DType::kF32 ? 4 : 2;
    for (int64_t d : shape) bytes *= static_cast<size_t>(d);
    return TensorToWrite{name, dtype, shape, std::span(zeros).first(bytes)};
  };
  std::vector<TensorToWrite> tensors = {tensor("q", q_shape), tensor("k", {2, 1, 8})};
  if (with_v) tensors.push_back(tensor("v", {2, 1, 8}));
  const Result<std::string> text = SerializeSafetensors(tensors, metadata);
  EXPECT_TRUE(text.ok()) << text.status().message();
  const auto file = SafetensorsFile::FromBytes(std::as_bytes(std::span(*text)), "f");
  EXPECT_TRUE(file.ok()) << file.status().message();
  return ReadQkvInfo(*file);
}

TEST(QkvFile, RefusesMetadataByNameValueAndLimit) {
  ASSERT_TRUE(InfoOf(GoodMetadata()).ok());
  const Broken rows[] = {
      {"another kind of file", "format", "pt", "format is \"pt\", must be quarry-qkv"},
      {"no metadata", "format", nullptr, "metadata has no format"},
      {"a later version", "version", "2", "version is \"2\", must be 1"},
      {"rotated keys", "rotated", "yes", "rotated is \"yes\", must be no"},
      {"no layer", "layer", nullptr, "metadata has no layer"},
      {"a negative layer", "layer", "-1", "layer is \"-1\", must be between 0 and"},
      {"no tokens", "tokens", "0", "tokens is \"0\", must be between 1 and 1073741824"},
      {"more tokens than rows", "tokens", "3", "tensor q is [2, 2, 8], must be [3, 2, 8]"},
      {"a huge count", "tokens", "99999999999999999999", "tokens is \"99999999999999999999\""},
      {"no number", "heads", "two", "heads is \"two\", must be between 1 and 4096"},
      {"trailing text", "heads", "2x", "heads is \"2x\""},
      {"more KV heads", "kv_heads", "3", "kv_heads is \"3\", must be between 1 and 2"},
      {"a wide head", "head_dim", "512", "head_dim is \"512\", must be between 8 and 256"},
      {"an odd head", "head_dim", "12", "head_dim is 12, must be a multiple of 8"},
      {"no frequencies", "rope_frequencies", "", "rope_frequencies has 0 numbers"},
      {"too many frequencies", "rope_frequencies", "1 1 1 1 1",
       "has 5 numbers, must have between 1 and 4"},
      {"no finite frequency", "rope_frequencies", "1 inf", "rope_frequencies has \"inf\""},
      {"no frequency", "rope_frequencies", "1 x", "rope_frequencies has \"x\""},
      {"no magnitude", "rope_magnitude", "0", "rope_magnitude is 0, must be above 0"},
  };
  for (const Broken& row : rows) {
    auto metadata = GoodMetadata();
    metadata.erase(row.key);
    if (row.value != nullptr) metadata[row.key] = row.value;
    const Result<QkvInfo> info = InfoOf(metadata);
    ASSERT_FALSE(info.ok()) << row.name;
    EXPECT_EQ(info.status().code(), StatusCode::kCorruptData) << row.name;
    EXPECT_THAT(info.status().message(), HasSubstr(row.message)) << row.name;
    EXPECT_THAT(info.status().message(), HasSubstr("f: ")) << row.name;
  }
}

TEST(QkvFile, RefusesTensorsThatDoNotFit) {
  EXPECT_THAT(InfoOf(GoodMetadata(), DType::kBF16).status().message(),
              HasSubstr("tensor q must be F32"));
  EXPECT_THAT(InfoOf(GoodMetadata(), DType::kF32, {2, 16}).status().message(),
              HasSubstr("tensor q is [2, 16], must be [2, 2, 8]"));
  EXPECT_EQ(InfoOf(GoodMetadata(), DType::kF32, {2, 2, 8}, false).status().code(),
            StatusCode::kNotFound);
}

TEST(QkvFile, RefusesValuesThatAreNotFinite) {
  const TempDir dir;
  const auto path = dir.path() / "f.safetensors";
  const QkvInfo info = SmallInfo();
  Rows rows(info);
  rows.k[static_cast<size_t>(4 * rows.stride + 2)] = NAN;
  ASSERT_TRUE(WriteTo(path, info, rows).ok());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(ReadQkvRows(*file, info, 5).status().message(),
              HasSubstr("tensor k: value 2 of token 4 is nan, must be finite"));
  EXPECT_TRUE(ReadQkvRows(*file, info, 4).ok());
}

}  // namespace
}  // namespace quarry
