// Values of the authors' implementations: the worked layout and the closed-form example that
// docs/methods/inf-llm.md describes, written out here, and small files of golden vectors.

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/quarry_golden/expect.h"
#include "tests/reference/window_attention.h"
#include "tests/support/infllm_runs.h"
#include "tests/support/paths.h"

namespace quarry {
namespace {

using reference::InfLlmModel;
using reference::InfLlmOptions;
using testing::ElementsAre;

TEST(InfLlmGoldenFiles, AllOfTheTreePass) {
  golden::ExpectAllPass(golden::CheckInfLlm, GoldenInTree("infllm"));
}

TEST(InfLlmGoldenFiles, AllAtHandPass) {
  const auto folder = GoldenOutside("infllm");
  if (!folder) GTEST_SKIP() << NoGoldenOutside("infllm");
  golden::ExpectAllPass(golden::CheckInfLlm, *folder);
}

// Where sinks, blocks and tail lie: I 4, L 8, B 4, X 4, a prompt of 30 in calls of 12.
struct LayoutRow {
  TokenPos begin, end;
  int64_t candidates, sinks;
  TokenRange tail;
  int64_t blocks_after;
  TokenPos tail_start_after;
};

constexpr LayoutRow kLayout[] = {
    {0, 4, 0, 0, {0, 0}, 0, 0},      {4, 8, 0, 0, {0, 0}, 0, 0},
    {8, 12, 0, 0, {0, 4}, 0, 4},     {12, 16, 0, 4, {4, 8}, 1, 8},
    {16, 20, 1, 4, {8, 12}, 2, 12},  {20, 24, 2, 4, {12, 16}, 3, 16},
    {24, 28, 3, 4, {16, 20}, 4, 20},                                   // call 3
    {28, 29, 4, 4, {20, 21}, 4, 20}, {29, 30, 4, 4, {20, 22}, 4, 20},  // last of the prompt
    {30, 31, 4, 4, {20, 23}, 4, 20},                                   // decode
    {31, 32, 4, 4, {20, 24}, 5, 24}, {32, 33, 5, 4, {24, 25}, 5, 24},
};

InfLlmOptions SmallOptions() {
  InfLlmOptions o;
  o.I = 4;
  o.L = 8;
  o.B = 4;
  o.X = 4;
  o.K = 2;
  o.R = 2;
  return o;
}

TEST(InfLlmGolden, WorkedLayout) {
  Rng rng(1);
  const LayerInputs in = RandomInputs(rng, {1, 2, 1, 8}, 33);
  const std::vector<int> calls = {12, 12, 5, 1, 1, 1, 1};
  OneLayer layer(ToConfig(SmallOptions()), in.shape, DType::kF32);
  InfLlmRecorder recorder;
  SetInfLlmObserver(layer.state(), &recorder);
  Feed(layer, in, calls);
  InfLlmModel model(SmallOptions(), reference::Rotation::Plain(8), in.q_rows(), in.k_rows(),
                    in.v_rows());
  for (int n : calls) model.Call(n);

  ASSERT_EQ(recorder.steps.size(), std::size(kLayout));
  ASSERT_EQ(model.exec().size(), std::size(kLayout));
  for (size_t i = 0; i < std::size(kLayout); ++i) {
    const LayoutRow& row = kLayout[i];
    SCOPED_TRACE(testing::Message() << "exec block [" << row.begin << ", " << row.end << ")");
    const InfLlmRecorder::Step& s = recorder.steps[i];
    EXPECT_EQ(s.begin, row.begin);
    EXPECT_EQ(s.end, row.end);
    EXPECT_EQ(s.candidates, row.candidates);
    EXPECT_EQ(s.sinks_before, row.sinks);
    EXPECT_EQ(s.tail.size(), row.tail.size());
    if (!row.tail.empty()) {
      EXPECT_EQ(s.tail, row.tail);
    }
    EXPECT_EQ(s.blocks_after, row.blocks_after);
    EXPECT_EQ(s.tail_start_after, row.tail_start_after);
    const reference::ExecBlock& e = model.exec()[i];
    EXPECT_EQ(e.begin, row.begin);
    EXPECT_EQ(e.end, row.end);
    EXPECT_EQ(e.candidates, row.candidates);
    EXPECT_EQ(e.sinks, row.sinks);
    EXPECT_EQ(e.tail_end - e.tail_begin, row.tail.size());
    EXPECT_EQ(e.blocks_after, row.blocks_after);
    EXPECT_EQ(e.tail_begin_after, row.tail_start_after);
  }
}

// Calls of 10 and 10 tokens: the sinks fill in two steps.
TEST(InfLlmGolden, SinksFillInTwoSteps) {
  Rng rng(2);
  const LayerInputs in = RandomInputs(rng, {1, 1, 1, 8}, 20);
  OneLayer layer(ToConfig(SmallOptions()), in.shape, DType::kF32);
  InfLlmRecorder recorder;
  SetInfLlmObserver(layer.state(), &recorder);
  Feed(layer, in, std::vector<int>{10, 10});
  ASSERT_EQ(recorder.steps.size(), 6u);
  EXPECT_EQ(recorder.steps[2].end, 10);
  EXPECT_EQ(recorder.steps[2].sinks_after, 2);
  EXPECT_EQ(recorder.steps[2].tail_start_after, 2);
  EXPECT_EQ(recorder.steps[3].tail, (TokenRange{2, 6}));
  EXPECT_EQ(recorder.steps[3].sinks_after, 4);
  EXPECT_EQ(recorder.steps[3].tail_start_after, 4);
  EXPECT_EQ(recorder.steps[4].tail, (TokenRange{4, 10}));
  EXPECT_EQ(recorder.steps[4].blocks_before, 0);
  EXPECT_EQ(recorder.steps[4].blocks_after, 1);
}

// Closed-form inputs: H 4, G 2, D 8; 40 tokens in one call, then 6 single ones.
constexpr int kTokens = 46;
const std::vector<int> kCalls = {40, 1, 1, 1, 1, 1, 1};

LayerInputs WaveInputs() {
  LayerInputs in;
  in.shape = {1, 4, 2, 8};
  in.tokens = kTokens;
  for (int t = 0; t < kTokens; ++t) {
    for (int h = 0; h < 4; ++h) {
      for (int d = 0; d < 8; ++d) {
        in.q.push_back(static_cast<float>(1.5 * std::sin(0.91 * t * (d + 1) + 1.7 * h + 0.3)));
      }
    }
    for (int g = 0; g < 2; ++g) {
      for (int d = 0; d < 8; ++d) {
        in.k.push_back(static_cast<float>(1.5 * std::cos(0.53 * t * (d + 2) + 0.9 * g)));
        in.v.push_back(static_cast<float>(std::sin(0.11 * t + 0.5 * d + 0.2 * g)));
      }
    }
  }
  return in;
}

// (head, token) whose first four channels are given.
constexpr std::pair<int, int> kPoints[] = {{0, 7}, {0, 8}, {0, 12}, {1, 20}, {3, 39}, {2, 45}};

struct Variant {
  const char* name;
  double sum, sum_abs;
  double out[6][4];
  std::vector<std::vector<int64_t>> selected;  // from execution block 4 on
};

const Variant kReference = {
    "inf-llm reference",
    98.03435,
    685.89321,
    {{.09402, .55039, .87201, .98012},
     {.25577, .67182, .92338, .94887},
     {.45309, .80072, .95231, .87074},
     {.73796, .80937, .68262, .38874},
     {.03174, -.23911, -.45142, -.55320},
     {-.39347, -.34458, -.21132, -.02632}},
    {{0}, {0, 1}, {0, 2}, {1, 3}, {3, 4}, {3, 4}, {0, 5}, {4, 5}, {0, 6}, {0, 1}, {6, 7}, {2, 5}}};
const Variant kStrict = {
    "inf-llm strict",
    107.03787,
    670.10126,
    {{.09402, .55039, .87201, .98012},
     {.26421, .67707, .92415, .94498},
     {.42056, .77782, .94464, .88019},
     {.72097, .80210, .68684, .40342},
     {.00618, -.26983, -.47977, -.57225},
     {-.39347, -.34458, -.21132, -.02632}},
    {{0}, {0, 1}, {0, 2}, {1, 3}, {3, 4}, {3, 5}, {4, 5}, {4, 5}, {0, 4}, {0, 1}, {0, 6}, {2, 5}}};
const Variant kQuestion = {
    "qllm",
    145.34478,
    652.19933,
    {{.09402, .55039, .87201, .98012},
     {.25577, .67182, .92338, .94887},
     {.45309, .80072, .95231, .87074},
     {.73796, .80937, .68262, .38874},
     {-.15444, -.32671, -.41900, -.40870},
     {-.29011, -.18203, -.02938, .13046}},
    {{0}, {0, 1}, {0, 2}, {1, 2}, {0, 2}, {1, 2}, {0, 2}, {2, 5}, {0, 2}, {1, 2}, {0, 2}, {1, 2}}};
const Variant kStreamLlm = {"stream-llm",
                            142.68950,
                            642.78791,
                            {{.09402, .55039, .87201, .98012},
                             {.39850, .77752, .96618, .91828},
                             {.46248, .78340, .91253, .81823},
                             {.83529, .72269, .43315, .03756},
                             {-.39535, -.33746, -.19695, -.00822},
                             {-.56867, -.34894, -.04378, .27210}},
                            {}};
const Variant kInfiniteLm = {"infinite-lm",
                             138.60219,
                             654.15198,
                             {{.09402, .55039, .87201, .98012},
                              {.26421, .67707, .92415, .94498},
                              {.42054, .77769, .94443, .87995},
                              {.67160, .67889, .51998, .23375},
                              {-.47260, -.45712, -.32972, -.12159},
                              {-.69310, -.49033, -.16751, .19633}},
                             {}};

// The printed digits leave half a unit of the fifth place; sums of 1472 values of an f32 run leave
// 1e-6 each on top, as the values may come from one.
template <typename T>
void ExpectOutput(const Variant& v, const std::vector<T>& out, double error) {
  double sum = 0, sum_abs = 0;
  for (T x : out) {
    sum += static_cast<double>(x);
    sum_abs += std::abs(static_cast<double>(x));
  }
  const auto n = static_cast<double>(out.size());
  EXPECT_NEAR(sum, v.sum, 5e-6 + n * (1e-6 + error));
  EXPECT_NEAR(sum_abs, v.sum_abs, 5e-6 + n * (1e-6 + error));
  for (size_t i = 0; i < std::size(kPoints); ++i) {
    const auto [h, t] = kPoints[i];
    for (int c = 0; c < 4; ++c) {
      EXPECT_NEAR(static_cast<double>(out[static_cast<size_t>((t * 4 + h) * 8 + c)]), v.out[i][c],
                  5.5e-6 + 1e-6 + error)
          << "head " << h << " token " << t << " channel " << c;
    }
  }
}

// Inputs are rounded to f32 for the engine, which the bounds of exact inputs do not cover: each of
// q, k, v is off by u, a score by 2u |q||k| / sqrt(D), below what the rotation's 10u covers twice.
double EngineError(const LayerInputs& in) {
  return 2 * BoundsOf(in, DType::kF32, kernels::ScalarKernels(), kTokens).out;
}

InfLlmOptions WaveOptions() {
  InfLlmOptions o = SmallOptions();
  o.cache_blocks = 3;
  return o;
}

InfLlmModel RunModel(const InfLlmOptions& o) {
  const LayerInputs in = WaveInputs();
  InfLlmModel model(o, reference::Rotation::Plain(8), in.q_rows(), in.k_rows(), in.v_rows());
  for (int n : kCalls) model.Call(n);
  return model;
}

void ExpectVariant(const Variant& v, const InfLlmOptions& o) {
  SCOPED_TRACE(v.name);
  const LayerInputs in = WaveInputs();
  const InfLlmModel model = RunModel(o);
  ExpectOutput(v, model.out(), 0);

  OneLayer layer(ToConfig(o), in.shape, DType::kF32);
  InfLlmRecorder recorder;
  SetInfLlmObserver(layer.state(), &recorder);
  ExpectOutput(v, Feed(layer, in, kCalls, HintsOf(o)), EngineError(in));

  ASSERT_EQ(recorder.steps.size(), 16u);
  ASSERT_EQ(model.exec().size(), 16u);
  for (size_t i = 0; i < 16; ++i) {
    SCOPED_TRACE(i);
    const auto expected = i < 4 ? std::vector<int64_t>() : v.selected[i - 4];
    EXPECT_EQ(model.exec()[i].selected[0], expected);
    EXPECT_EQ(recorder.steps[i].selected[0], expected);
  }
}

TEST(InfLlmGolden, ReferenceMask) { ExpectVariant(kReference, WaveOptions()); }

TEST(InfLlmGolden, StrictMask) {
  InfLlmOptions o = WaveOptions();
  o.strict_mask = true;
  ExpectVariant(kStrict, o);
}

InfLlmOptions QuestionOptions() {
  InfLlmOptions o = WaveOptions();
  o.question_begin = 1;
  o.question_end = 5;
  o.question_weight = 2;
  return o;
}

TEST(InfLlmGolden, Question) { ExpectVariant(kQuestion, QuestionOptions()); }

void ExpectWindow(const Variant& v, const AttentionConfig& config,
                  std::vector<reference::Term> (*terms)(int64_t, int64_t, int64_t)) {
  SCOPED_TRACE(v.name);
  const LayerInputs in = WaveInputs();
  const auto rotation = reference::Rotation::Plain(8);
  const reference::Rows q = in.q_rows(), k = in.k_rows(), values = in.v_rows();
  std::vector<double> out;
  for (int t = 0; t < kTokens; ++t) {
    for (int h = 0; h < 4; ++h) {
      const auto row =
          reference::MaskedAttention(rotation, q.at(t, h), k, values, h / 2, terms(t, 4, 8));
      out.insert(out.end(), row.out.begin(), row.out.end());
    }
  }
  ExpectOutput(v, out, 0);
  OneLayer layer(config, in.shape, DType::kF32);
  ExpectOutput(v, Feed(layer, in, kCalls), EngineError(in));
}

TEST(InfLlmGolden, StreamLlm) {
  ExpectWindow(kStreamLlm, StreamLlmConfig{4, 8}, reference::StreamLlmTerms);
}
TEST(InfLlmGolden, InfiniteLm) {
  ExpectWindow(kInfiniteLm, InfiniteLmConfig{4, 8}, reference::InfiniteLmTerms);
}

template <typename T>
void ExpectValues(const std::vector<T>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(got[i]), want[i], tolerance) << i;
  }
}

// Printed digits again; values of up to 15 carry an f32 error of 15 * 40 u = 4e-5 at most.
constexpr double kPrinted = 5.5e-6 + 4e-5;

TEST(InfLlmGolden, IntermediateValues) {
  const LayerInputs in = WaveInputs();
  OneLayer layer(ToConfig(WaveOptions()), in.shape, DType::kF32);
  InfLlmRecorder recorder;
  SetInfLlmObserver(layer.state(), &recorder);
  Feed(layer, in, kCalls);
  const InfLlmModel model = RunModel(WaveOptions());

  const std::vector<double> head0 = {.53620, .45461, 1.19367, .32451};
  const std::vector<double> head3 = {1.02838, .70637, .54014, .75062};
  const std::vector<double> representative0 = {.40653,  .00276,   .30172, -1.02522,
                                               1.47134, -1.20784, .47983, .02454};
  const reference::MemoryBlock& block = model.blocks()[0];
  ExpectValues(block.local_scores[0], head0, kPrinted);
  ExpectValues(block.local_scores[3], head3, kPrinted);
  EXPECT_THAT(block.tokens[0], ElementsAre(4, 6));
  EXPECT_THAT(block.tokens[3], ElementsAre(4, 7));
  ExpectValues(block.representative[0], representative0, kPrinted);
  const InfLlmRecorder::Block& b = recorder.blocks[0];
  ExpectValues(std::vector<float>(b.local_scores.begin(), b.local_scores.begin() + 4), head0,
               kPrinted);
  ExpectValues(std::vector<float>(b.local_scores.end() - 4, b.local_scores.end()), head3, kPrinted);
  EXPECT_THAT(b.repr_tokens,
              ElementsAre(4, 6, testing::_, testing::_, testing::_, testing::_, 4, 7));
  ExpectValues(std::vector<float>(b.representative.begin(), b.representative.begin() + 8),
               representative0, kPrinted);

  const std::pair<size_t, std::vector<double>> scores[] = {
      {5, {1.62952, 2.07850}},
      {9, {-.69597, -.57882, -.66091, 1.02063, .84566, -.14628}},
      {15, {-14.93017, -.23675, 1.41839, -9.20456, .08725, 1.31364, -.86927, .10923}}};
  for (const auto& [exec, want] : scores) {
    SCOPED_TRACE(exec);
    ExpectValues(model.exec()[exec].scores[0], want, kPrinted);
    ExpectValues(recorder.steps[exec].scores[0], want, kPrinted);
  }
}

TEST(InfLlmGolden, QuestionVector) {
  const LayerInputs in = WaveInputs();
  OneLayer layer(ToConfig(QuestionOptions()), in.shape, DType::kF32);
  InfLlmRecorder recorder;
  SetInfLlmObserver(layer.state(), &recorder);
  Feed(layer, in, kCalls, HintsOf(QuestionOptions()));
  const InfLlmModel model = RunModel(QuestionOptions());

  const std::vector<double> head0 = {.59594, .84318,  .63752, -1.27262,
                                     .51136, -.58975, .72797, .60191};
  const std::vector<double> scores = {1.45707, 2.08176, 9.59025, 1.29320, -7.32220, -.76954};
  ExpectValues(model.question()[0], head0, kPrinted);
  EXPECT_EQ(model.question_set_after(), 2);  // the first block that ends beyond 8
  ExpectValues(model.exec()[9].scores[0], scores, kPrinted);
  EXPECT_TRUE(recorder.steps[1].question.empty());
  ASSERT_EQ(recorder.steps[2].question.size(), 32u);
  ExpectValues(std::vector<float>(recorder.steps[2].question.begin(),
                                  recorder.steps[2].question.begin() + 8),
               head0, kPrinted);
  ExpectValues(recorder.steps[9].scores[0], scores, kPrinted);
}

// Blocks that leave the cache (K 2, M 3), by execution block; none elsewhere.
using Evictions = std::map<size_t, std::vector<int64_t>>;

void ExpectEvictions(const InfLlmOptions& o, const Evictions& want) {
  const LayerInputs in = WaveInputs();
  OneLayer layer(ToConfig(o), in.shape, DType::kF32);
  InfLlmRecorder recorder;
  SetInfLlmObserver(layer.state(), &recorder);
  Feed(layer, in, kCalls);
  const InfLlmModel model = RunModel(o);
  for (size_t i = 0; i < 16; ++i) {
    SCOPED_TRACE(i);
    const auto expected = want.count(i) != 0 ? want.at(i) : std::vector<int64_t>();
    EXPECT_THAT(model.exec()[i].evicted[0], testing::UnorderedElementsAreArray(expected));
    EXPECT_THAT(recorder.steps[i].evicted[0], testing::UnorderedElementsAreArray(expected));
  }
}

TEST(InfLlmGolden, LruEvictions) {
  ExpectEvictions(
      WaveOptions(),
      {{7, {0}}, {8, {2}}, {10, {1, 3}}, {12, {4}}, {13, {5}}, {14, {0}}, {15, {1, 6}}});
}

TEST(InfLlmGolden, LruSEvictions) {
  InfLlmOptions o = WaveOptions();
  o.eviction = reference::Eviction::kLruS;
  o.decay = 0.1;
  ExpectEvictions(
      o,
      {{7, {2}}, {8, {0}}, {10, {1, 4}}, {11, {3}}, {12, {4}}, {13, {5}}, {14, {0}}, {15, {1, 7}}});
}

}  // namespace
}  // namespace quarry
