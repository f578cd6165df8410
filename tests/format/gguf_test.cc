#include "format/gguf.h"

#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "format/gguf_write.h"
#include "tests/reference/ggml_blocks.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::span<const std::byte> Bytes(std::string_view s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}

template <typename T>
std::string Raw(T value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

std::string Text(std::string_view s) { return Raw(uint64_t{s.size()}) + std::string(s); }

// A file put together by hand.
struct Hand {
  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t n_tensors = 0;
  uint64_t n_keys = 0;
  std::string body;  // keys and tensors

  Hand& Key(std::string_view name, GgufType type, std::string_view value) {
    body += Text(name) + Raw(static_cast<uint32_t>(type)) + std::string(value);
    ++n_keys;
    return *this;
  }
  Hand& Tensor(std::string_view name, std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
    body += Text(name) + Raw(static_cast<uint32_t>(dims.size()));
    for (uint64_t d : dims) body += Raw(d);
    body += Raw(type) + Raw(offset);
    ++n_tensors;
    return *this;
  }
  std::string Make(size_t data_bytes = 0) const {
    std::string out = magic + Raw(version) + Raw(n_tensors) + Raw(n_keys) + body;
    out.resize((out.size() + 31) / 32 * 32);
    return out.append(data_bytes, '\0');
  }
};

std::string ErrorOf(std::string_view file, const GgufLimits& limits = {}) {
  const Result<GgufFile> f = GgufFile::FromBytes(Bytes(file), "f", limits);
  return f.status().message();
}

TEST(Gguf, ReadsWhatItWrites) {
  Rng rng(1);
  const TempDir dir;
  GgufBuilder builder;
  builder.SetString("general.architecture", "llama");
  builder.SetU32("a.u32", 7);
  builder.SetF32("a.f32", 0.25f);
  builder.SetBool("a.bool", true);
  const std::string strings[] = {"one", "", "drei"};
  builder.SetStrings("a.strings", strings);
  const float floats[] = {1, -2};
  builder.SetFloats("a.floats", floats);
  const int32_t ints[] = {5, -6, 7};
  builder.SetInts("a.ints", ints);
  EXPECT_TRUE(builder.Has("a.u32"));
  EXPECT_FALSE(builder.Has("a.u33"));
  std::vector<std::vector<std::byte>> rows;
  for (WeightType type : kWeightTypes) {
    ASSERT_TRUE(builder.AddTensor(std::string(WeightTypeName(type)), type, {3, 512}).ok());
    rows.push_back(reference::RandomRow(type, 3 * 512, rng));
  }
  const Status written = WriteGguf(dir.path() / "m.gguf", builder, [&](size_t i, GgufSink sink) {
    const std::span<const std::byte> all(rows[i]);
    if (Status s = sink(all.first(100)); !s.ok()) return s;
    return sink(all.subspan(100));
  });
  ASSERT_TRUE(written.ok()) << written.message();

  const Result<GgufFile> file = GgufFile::Open(dir.path() / "m.gguf");
  ASSERT_TRUE(file.ok()) << file.status().message();
  Status error;
  const GgufReader in(*file, error);
  EXPECT_EQ(in.String("general.architecture"), "llama");
  EXPECT_EQ(in.Int("a.u32", 0, 100), 7);
  EXPECT_EQ(in.NumberOr("a.f32", 0, 1, 9), 0.25);
  EXPECT_TRUE(in.BoolOr("a.bool", false));
  EXPECT_THAT(in.Strings("a.strings", 10), ElementsAre("one", "", "drei"));
  EXPECT_THAT(in.Floats("a.floats", 10), ElementsAre(1, -2));
  EXPECT_THAT(in.Ints("a.ints", 10), ElementsAre(5, -6, 7));
  EXPECT_EQ(in.IntOr("a.none", 0, 10, 3), 3);
  EXPECT_TRUE(error.ok()) << error.message();
  for (size_t i = 0; i < rows.size(); ++i) {
    const WeightType type = kWeightTypes[i];
    const Result<WeightView> view = file->Find(WeightTypeName(type));
    ASSERT_TRUE(view.ok()) << view.status().message();
    EXPECT_EQ(view->type, type);
    EXPECT_THAT(view->shape, ElementsAre(3, 512));
    EXPECT_TRUE(std::equal(view->data.begin(), view->data.end(), rows[i].begin(), rows[i].end()));
  }
  EXPECT_EQ(file->Find("q9").status().code(), StatusCode::kNotFound);
}

TEST(Gguf, WritesNothingIfATensorFails) {
  const TempDir dir;
  GgufBuilder builder;
  ASSERT_TRUE(builder.AddTensor("a", WeightType::kF32, {4}).ok());
  const std::vector<std::byte> bytes(16);
  EXPECT_EQ(
      WriteGguf(dir.path() / "m.gguf", builder, [](size_t, GgufSink) { return Cancelled("stop"); })
          .code(),
      StatusCode::kCancelled);
  EXPECT_EQ(WriteGguf(dir.path() / "m.gguf", builder,
                      [&](size_t, GgufSink sink) { return sink(std::span(bytes).first(15)); })
                .code(),
            StatusCode::kInternal);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  // A device that is full.
  if (std::filesystem::exists("/dev/full")) {
    EXPECT_FALSE(WriteGguf("/dev/full/m.gguf", builder, [&](size_t, GgufSink sink) {
                   return sink(bytes);
                 }).ok());
  }
}

TEST(Gguf, BuilderRefusesWhatNoFileCanHold) {
  GgufBuilder b;
  EXPECT_FALSE(b.AddTensor(std::string(64, 'x'), WeightType::kF32, {1}).ok());
  EXPECT_FALSE(b.AddTensor("", WeightType::kF32, {1}).ok());
  EXPECT_FALSE(b.AddTensor("a", WeightType::kF32, {}).ok());
  EXPECT_FALSE(b.AddTensor("a", WeightType::kF32, {1, 1, 1, 1, 1}).ok());
  EXPECT_FALSE(b.AddTensor("a", WeightType::kF32, {0}).ok());
  EXPECT_THAT(b.AddTensor("a", WeightType::kQ4_K, {4, 128}).message(),
              HasSubstr("multiple of 256"));
  EXPECT_TRUE(b.AddTensor("a", WeightType::kF32, {1}).ok());
  EXPECT_THAT(b.AddTensor("a", WeightType::kF32, {1}).message(), HasSubstr("twice"));
}

TEST(Gguf, HeaderErrorsNameTheValueAndTheLimit) {
  EXPECT_EQ(ErrorOf(""),
            "f: the magic number takes 4 bytes at 0, only 0 follow: the file is cut off");
  EXPECT_EQ(ErrorOf("PK\x03\x04xxxxxxxxxxxx"), "f: does not begin with GGUF: not a GGUF file");
  Hand h;
  EXPECT_TRUE(GgufFile::FromBytes(Bytes(h.Make()), "f").ok());
  h.version = 2;
  EXPECT_TRUE(GgufFile::FromBytes(Bytes(h.Make()), "f").ok());
  h.version = 1;
  EXPECT_EQ(ErrorOf(h.Make()), "f: version is 1, must be 2 or 3");
  h.version = 0x03000000;
  EXPECT_THAT(ErrorOf(h.Make()), HasSubstr("big-endian"));
  h.version = 3;
  h.n_keys = uint64_t{1} << 60;
  EXPECT_EQ(ErrorOf(h.Make()), "f: has 1152921504606846976 keys, at most 65536 are read");
  h.n_keys = 60000;
  EXPECT_EQ(ErrorOf(h.Make()), "f: has 60000 keys, too many for the 8 bytes that follow");
  h.n_keys = 0;
  h.n_tensors = 100000;
  EXPECT_EQ(ErrorOf(h.Make()), "f: has 100000 tensors, too many for the 8 bytes that follow");
}

TEST(Gguf, KeyErrors) {
  EXPECT_THAT(ErrorOf(Hand().Key("a", static_cast<GgufType>(13), "x").Make()),
              HasSubstr("value type 13, which is none"));
  EXPECT_THAT(
      ErrorOf(Hand().Key("a", GgufType::kArray, Raw(uint32_t{9}) + Raw(uint64_t{1})).Make()),
      HasSubstr("array of arrays"));
  EXPECT_THAT(
      ErrorOf(Hand().Key("a", GgufType::kArray, Raw(uint32_t{0}) + Raw(uint64_t{1} << 40)).Make()),
      HasSubstr("1099511627776 elements, at most 268435456"));
  EXPECT_THAT(
      ErrorOf(Hand().Key("a", GgufType::kArray, Raw(uint32_t{10}) + Raw(uint64_t{1} << 20)).Make()),
      HasSubstr("cut off"));
  EXPECT_THAT(ErrorOf(Hand().Key("a", GgufType::kString, Raw(UINT64_MAX)).Make()),
              HasSubstr("cut off"));
  EXPECT_THAT(ErrorOf(Hand().Key("a", GgufType::kU8, "x").Key("a", GgufType::kU8, "x").Make()),
              HasSubstr("key \"a\" appears twice"));
  for (uint32_t alignment : {0u, 48u, 1u << 30}) {
    EXPECT_THAT(ErrorOf(Hand().Key("general.alignment", GgufType::kU32, Raw(alignment)).Make()),
                HasSubstr("general.alignment is"))
        << alignment;
  }
}

TEST(Gguf, TensorErrors) {
  EXPECT_EQ(ErrorOf(Hand().Tensor("t", {4, 2}, 0, 0).Make(32)), "");
  EXPECT_THAT(
      ErrorOf(Hand().Tensor("t", {4, 2}, 0, 0).Make(31)),
      HasSubstr("tensor \"t\": F32 (0) of shape [2, 4] at offset 0 does not lie in the 31"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {4, 2}, 0, 32).Make(32)), HasSubstr("does not lie in"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {4, 2}, 0, UINT64_MAX - 31).Make(32)),
              HasSubstr("does not lie in"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {1ull << 40, 1ull << 40}, 0, 0).Make(32)),
              HasSubstr("does not lie in"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {}, 0, 0).Make(32)), HasSubstr("0 dimensions"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {1, 1, 1, 1, 1}, 0, 0).Make(32)),
              HasSubstr("5 dimensions, must have 1 to 4"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {0}, 0, 0).Make(32)), HasSubstr("a dimension is 0"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {33}, 8, 0).Make(64)), HasSubstr("multiple of 32"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {1}, 0, 4).Make(64)), HasSubstr("not a multiple of 32"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {16}, 0, 0).Tensor("u", {4}, 0, 32).Make(64)),
              HasSubstr("inside the one before"));
  EXPECT_THAT(ErrorOf(Hand().Tensor("t", {4}, 0, 0).Tensor("t", {4}, 0, 32).Make(64)),
              HasSubstr("tensor \"t\" appears twice"));
  const std::string other = Hand().Tensor("t", {256}, 23, 0).Make(136);
  const Result<GgufFile> file = GgufFile::FromBytes(Bytes(other), "f");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_THAT(file->Find("t").status().message(),
              HasSubstr("tensor \"t\" has type IQ4_XS (23), must be one of f32, f16"));
}

TEST(Gguf, GettersNameTheKeyItsValueAndTheLimit) {
  const std::string text =
      Hand()
          .Key("s", GgufType::kString, Text("six"))
          .Key("i", GgufType::kI64, Raw(int64_t{-3}))
          .Key("u", GgufType::kU64, Raw(UINT64_MAX))
          .Key("x", GgufType::kF64, Raw(std::nan("")))
          .Key("a", GgufType::kArray,
               Raw(uint32_t{5}) + Raw(uint64_t{2}) + Raw(int32_t{4}) + Raw(int32_t{5}))
          .Make();
  const auto error = [&](auto get) {
    const Result<GgufFile> file = GgufFile::FromBytes(Bytes(text), "f");
    Status status;
    get(GgufReader(*file, status));
    return status.message();
  };
  EXPECT_EQ(error([](const GgufReader& r) { EXPECT_EQ(r.Int("s", 1, 9), 1); }),
            "f: s is \"six\", must be an integer between 1 and 9");
  EXPECT_EQ(error([](const GgufReader& r) { EXPECT_EQ(r.Int("i", 0, 9), 0); }),
            "f: i is -3, must be an integer between 0 and 9");
  EXPECT_EQ(
      error([](const GgufReader& r) { r.Int("u", 0, INT64_MAX); }),
      "f: u is a number above 2^63 - 1, must be an integer between 0 and 9223372036854775807");
  EXPECT_EQ(error([](const GgufReader& r) { r.Int("none", 0, 9); }),
            "f: none is missing, must be an integer between 0 and 9");
  EXPECT_EQ(error([](const GgufReader& r) { r.NumberOr("x", 0, 1, 0); }),
            "f: x is nan, must be a number between 0 and 1");
  EXPECT_EQ(error([](const GgufReader& r) { r.Strings("a", 9); }),
            "f: a is an array of 2 i32, must be an array of at most 9 strings");
  EXPECT_EQ(error([](const GgufReader& r) { r.Ints("a", 1); }),
            "f: a is an array of 2 i32, must be an array of at most 1 integers");
  EXPECT_EQ(error([](const GgufReader& r) { r.IntOrUniform("a", 2, 0, 9, 1); }),
            "f: a is an array of 2 i32, must be 2 equal integers between 0 and 9");
  EXPECT_EQ(error([](const GgufReader& r) { r.BoolOr("s", true); }),
            "f: s is \"six\", must be true or false");
}

TEST(Gguf, ReadsModelsInParts) {
  const TempDir dir;
  const auto write = [&](const std::string& name, uint32_t number, const char* tensor) {
    GgufBuilder b;
    b.SetU32("split.no", number);
    b.SetU32("split.count", 2);
    EXPECT_TRUE(b.AddTensor(tensor, WeightType::kF32, {4}).ok());
    const std::vector<std::byte> bytes(16);
    EXPECT_TRUE(WriteGguf(dir.path() / name, b, [&](size_t, GgufSink s) { return s(bytes); }).ok());
  };
  write("m-00001-of-00002.gguf", 0, "a");
  EXPECT_EQ(GgufModel::Open(dir.path() / "m-00001-of-00002.gguf").status().code(),
            StatusCode::kNotFound);
  write("m-00002-of-00002.gguf", 1, "b");
  const Result<GgufModel> model = GgufModel::Open(dir.path() / "m-00001-of-00002.gguf");
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_THAT(model->names(), ElementsAre("a", "b"));
  EXPECT_TRUE(model->Find("b").ok());
  EXPECT_FALSE(model->Contains("c"));
  EXPECT_THAT(GgufModel::Open(dir.path() / "m-00002-of-00002.gguf").status().message(),
              HasSubstr("is part 2 of 2, name the first part"));
  write("m-00002-of-00002.gguf", 1, "a");
  EXPECT_THAT(GgufModel::Open(dir.path() / "m-00001-of-00002.gguf").status().message(),
              HasSubstr("in two of the parts"));
  write("other.gguf", 0, "a");
  EXPECT_THAT(GgufModel::Open(dir.path() / "other.gguf").status().message(),
              HasSubstr("must end in -00001-of-00002.gguf"));
}

// A file with a bit of everything, cut off at every length and with bytes changed at random: no
// crash, and every failure says something.
TEST(Gguf, SurvivesDamage) {
  const std::string whole =
      Hand()
          .Key("general.alignment", GgufType::kU32, Raw(uint32_t{32}))
          .Key("s", GgufType::kString, Text("text"))
          .Key("a", GgufType::kArray, Raw(uint32_t{8}) + Raw(uint64_t{2}) + Text("x") + Text("yy"))
          .Tensor("t", {32, 2}, 8, 0)
          .Tensor("u", {8}, 0, 96)
          .Make(128);
  ASSERT_EQ(ErrorOf(whole), "");
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_NE(ErrorOf(whole.substr(0, n)), "") << n;
  Rng rng(7);
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = whole;
    for (int j = 0; j < 3; ++j) {
      damaged[rng.Next() % damaged.size()] = static_cast<char>(rng.Next() & 255);
    }
    const Result<GgufFile> file = GgufFile::FromBytes(Bytes(damaged), "f");
    if (!file.ok()) {
      EXPECT_FALSE(file.status().message().empty());
      continue;
    }
    unsigned sum = 0;
    for (const GgufTensorInfo& t : file->tensors()) {
      const Result<WeightView> view = file->Find(t.name);
      if (!view.ok()) continue;
      for (std::byte b : view->data) sum += std::to_integer<unsigned>(b);
    }
    EXPECT_GE(sum, 0u);
  }
}

}  // namespace
}  // namespace quarry
