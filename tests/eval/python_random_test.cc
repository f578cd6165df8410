// Known answers of CPython's random and of NumPy's legacy generator.

#include "eval/python_random.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quarry::eval {
namespace {

using testing::ElementsAre;

TEST(PythonRandom, Words) {
  PythonRandom r(42);
  EXPECT_EQ(r.NextU32(), 2746317213u);
  EXPECT_EQ(r.NextU32(), 478163327u);
  EXPECT_EQ(r.NextU32(), 107420369u);
  EXPECT_EQ(r.NextU32(), 3184935163u);
}

TEST(PythonRandom, Reals) {
  PythonRandom r(42);
  EXPECT_EQ(r.Random(), 0.6394267984578837);
  EXPECT_EQ(r.Random(), 0.025010755222666936);
  EXPECT_EQ(r.Random(), 0.27502931836911926);
}

TEST(PythonRandom, Integers) {
  PythonRandom a(42);
  EXPECT_EQ(a.RandInt(1000000, 9999999), 2867825);
  EXPECT_EQ(a.RandInt(1000000, 9999999), 1419610);
  EXPECT_EQ(a.RandInt(1000000, 9999999), 5614226);
  PythonRandom b(42);
  EXPECT_EQ(b.RandInt(1, 50000), 41906);
  EXPECT_EQ(b.RandInt(1, 50000), 7297);
  EXPECT_EQ(b.RandInt(1, 50000), 1640);
}

TEST(PythonRandom, SeedsBeyond32Bits) {
  // random.seed(2**40 + 7); random.getrandbits(32)
  EXPECT_EQ(PythonRandom((uint64_t{1} << 40) + 7).NextU32(), 2635837658u);
}

TEST(PythonRandom, Uuids) {
  EXPECT_EQ(PythonRandom(42).Uuid(), "bdd640fb-0667-4ad1-9c80-317fa3b1799d");
}

TEST(PythonRandom, Samples) {
  // One stream: a pool, a set, and a set for many.
  PythonRandom r(42);
  EXPECT_THAT(r.Sample(40, 4), ElementsAre(7, 1, 17, 15));
  EXPECT_THAT(r.Sample(1000, 4), ElementsAre(228, 142, 754, 104));
  std::vector<int64_t> many = r.Sample(5000, 30);
  many.resize(6);
  EXPECT_THAT(many, ElementsAre(4467, 712, 4837, 3456, 260, 244));
  EXPECT_THAT(PythonRandom(42).Sample(1000, 4), ElementsAre(654, 114, 25, 759));
}

TEST(PythonRandom, ChoicesAndShuffle) {
  PythonRandom r(42);
  EXPECT_EQ(r.Choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 5), "QAHFT");
  EXPECT_EQ(r.Choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 5), "RXCKA");
  std::vector<int> x(10);
  std::iota(x.begin(), x.end(), 0);
  PythonRandom(42).Shuffle(x);
  EXPECT_THAT(x, ElementsAre(7, 3, 2, 8, 5, 6, 9, 4, 0, 1));
}

TEST(NumpyRandom, Integers) {
  NumpyRandom r(42);
  EXPECT_EQ(r.RandInt(10000, 99999), 25795);
  EXPECT_EQ(r.RandInt(10000, 99999), 10860);
  EXPECT_EQ(r.RandInt(10000, 99999), 86820);
  EXPECT_EQ(r.RandInt(10000, 99999), 64886);
}

}  // namespace
}  // namespace quarry::eval
