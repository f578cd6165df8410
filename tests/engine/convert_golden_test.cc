// Every family's tiny checkpoint, converted to GGUF and loaded from there: the same logits as from
// the folder.
#include <cmath>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "quarry/convert.h"
#include "quarry/tokenizer.h"

#include "base/file.h"
#include "model/model.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/model_runs.h"
#include "tests/support/npy.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;

// Cases of which a GGUF file cannot say all.
constexpr std::string_view kWithoutWindow[] = {"mistral_window", "qwen2_window"};

class ConvertGolden : public testing::Test {
 protected:
  // The checkpoint of a case beside a tokenizer.
  void Prepare(const fs::path& from) {
    folder_ = dir_.path() / from.filename();
    fs::create_directory(folder_);
    for (const auto& entry : fs::directory_iterator(from)) {
      if (entry.is_regular_file())
        fs::create_symlink(entry.path(), folder_ / entry.path().filename());
    }
    ASSERT_TRUE(WriteFileAtomically(folder_ / "tokenizer.json", ByteTokenizerJson()).ok());
  }
  fs::path Gguf(WeightType type) const {
    return dir_.path() /
           (folder_.filename().string() + "." + std::to_string(static_cast<int>(type)) + ".gguf");
  }
  Status Convert(WeightType type) {
    return ConvertToGguf({.model = folder_, .output = Gguf(type), .type = type});
  }

  TempDir dir_;
  fs::path folder_;
};

double RelativeRms(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  return std::sqrt(error / size);
}

TEST_F(ConvertGolden, EveryFamilyKeepsItsLogits) {
  const auto one = GoldenOutside("models/llama_plain");
  const fs::path root = one ? one->parent_path() : GoldenInTree("models");
  int n = 0;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (!entry.is_directory() || !fs::exists(entry.path() / "config.json")) continue;
    const std::string name = entry.path().filename().string();
    SCOPED_TRACE(name);
    Prepare(entry.path());
    const Status s = Convert(WeightType::kF32);
    if (name == "llama_rope_dynamic") {
      EXPECT_EQ(s.code(), StatusCode::kUnsupported) << s.message();
      EXPECT_FALSE(fs::exists(Gguf(WeightType::kF32)));
      continue;
    }
    ASSERT_TRUE(s.ok()) << s.message();
    const auto folder = Model::Load(folder_, DType::kF32);
    const auto file = Model::Load(Gguf(WeightType::kF32), DType::kF32);
    ASSERT_TRUE(folder.ok()) << folder.status().message();
    ASSERT_TRUE(file.ok()) << file.status().message();
    ++n;
    const bool windowless = std::find(std::begin(kWithoutWindow), std::end(kWithoutWindow), name) !=
                            std::end(kWithoutWindow);
    for (int i = 0;
         fs::exists(entry.path() / "reference" / ("tokens_" + std::to_string(i) + ".npy")); ++i) {
      const NpyArray tokens =
          ReadNpy(entry.path() / "reference" / ("tokens_" + std::to_string(i) + ".npy"));
      if (windowless && tokens.size() > 16) continue;
      const RunOptions options = {.total_length = tokens.size()};
      const std::vector<float> want = AllLogits(**folder, tokens.i32, options);
      const std::vector<float> got = AllLogits(**file, tokens.i32, options);
      // Weights are the same bits. Metadata is f32: base, eps, scales and factors are rounded to
      // 6e-8, which turns pair p at position 175 by 1e-5 more or less.
      EXPECT_LE(RelativeRms(got, want), 1e-4) << "tokens_" << i;
    }
  }
  EXPECT_GE(n, 3);
}

// 8 bits a weight: 0.4 % of noise in every product, and the same in the inputs of single rows.
TEST_F(ConvertGolden, EightBitsChangeLogitsLittle) {
  const auto one = GoldenOutside("models/llama_plain");
  if (!one) GTEST_SKIP() << NoGoldenOutside("models/llama_plain");
  for (const char* name :
       {"llama_plain", "qwen2", "qwen3", "phi3_longrope", "chatglm_glm4", "glm4_0414", "minicpm"}) {
    SCOPED_TRACE(name);
    Prepare(one->parent_path() / name);
    ASSERT_TRUE(Convert(WeightType::kQ8_0).ok());
    const auto folder = Model::Load(folder_, DType::kF32);
    const auto file = Model::Load(Gguf(WeightType::kQ8_0));
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_LT((*file)->weight_bytes(), (*folder)->weight_bytes() / 2);
    const NpyArray tokens = ReadNpy(one->parent_path() / name / "reference/tokens_1.npy");
    const RunOptions options = {.total_length = tokens.size()};
    EXPECT_LE(RelativeRms(AllLogits(**file, tokens.i32, options),
                          AllLogits(**folder, tokens.i32, options)),
              0.05);
  }
}

}  // namespace
}  // namespace quarry
