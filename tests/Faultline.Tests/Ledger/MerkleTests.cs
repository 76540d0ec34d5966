using Faultline.Ledger.Merkle;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Faultline.Tests.Ledger;

/// <summary>Known answers are those of the Certificate Transparency reference implementation.</summary>
public class MerkleTests
{
    private static readonly string[] Inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    private static readonly List<byte[]> Leaves = [.. Inputs.Select(input => MerkleHash.Leaf(Convert.FromHexString(input)))];

    [Theory]
    [InlineData(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData(1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")]
    [InlineData(2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125")]
    [InlineData(3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77")]
    [InlineData(4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")]
    [InlineData(5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4")]
    [InlineData(6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef")]
    [InlineData(7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c")]
    [InlineData(8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")]
    public void Roots_are_those_of_Certificate_Transparency(int size, string root) =>
        Assert.Equal(root, Convert.ToHexStringLower(MerkleTree.Root([.. Leaves.Take(size)])));

    [Theory]
    [InlineData(0, 1, "")]
    [InlineData(0, 8, "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7 5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e 6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")]
    [InlineData(5, 8, "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0 d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")]
    [InlineData(2, 3, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125")]
    [InlineData(1, 5, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d 5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")]
    public void Inclusion_proofs_are_those_of_Certificate_Transparency(int index, int size, string expected)
    {
        var leaves = Leaves.Take(size).ToList();
        var proof = MerkleTree.InclusionProof(leaves, index);
        Assert.Equal(expected, string.Join(' ', proof.Select(Convert.ToHexStringLower)));
        Assert.True(MerkleTree.VerifyInclusion(index, size, leaves[index], proof, MerkleTree.Root(leaves)));
    }

    [Theory]
    [InlineData(1, 1, "")]
    [InlineData(1, 8, "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7 5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e 6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")]
    [InlineData(2, 8, "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e 6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")]
    [InlineData(6, 8, "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0 d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")]
    public void Consistency_proofs_are_those_of_Certificate_Transparency(int first, int second, string expected)
    {
        var leaves = Leaves.Take(second).ToList();
        var proof = MerkleTree.ConsistencyProof(leaves, first);
        Assert.Equal(expected, string.Join(' ', proof.Select(Convert.ToHexStringLower)));
        Assert.True(MerkleTree.VerifyConsistency(first, second, MerkleTree.Root([.. leaves.Take(first)]), MerkleTree.Root(leaves), proof));
    }

    [Fact]
    public void Every_proof_of_every_tree_up_to_40_leaves_verifies_and_no_other_leaf_passes()
    {
        var leaves = Enumerable.Range(0, 40).Select(i => MerkleHash.Leaf([(byte)i])).ToList();
        for (var size = 1; size <= leaves.Count; size++)
        {
            var tree = leaves.Take(size).ToList();
            var root = MerkleTree.Root(tree);
            for (var i = 0; i < size; i++)
            {
                var path = MerkleTree.InclusionProof(tree, i);
                Assert.True(MerkleTree.VerifyInclusion(i, size, tree[i], path, root));
                Assert.False(MerkleTree.VerifyInclusion(i, size, MerkleHash.Leaf([200]), path, root));
                Assert.False(MerkleTree.VerifyInclusion(i, size, tree[i], [.. path, root], root));

                var first = i + 1;
                var old = MerkleTree.Root([.. tree.Take(first)]);
                var proof = MerkleTree.ConsistencyProof(tree, first);
                Assert.True(MerkleTree.VerifyConsistency(first, size, old, root, proof));
                Assert.False(MerkleTree.VerifyConsistency(first, size, MerkleHash.Leaf([201]), root, proof));
                Assert.False(MerkleTree.VerifyConsistency(first, size, old, MerkleHash.Leaf([202]), proof));
            }
        }
    }

    [Fact]
    public void The_running_root_is_the_recursive_definition()
    {
        static byte[] Definition(IReadOnlyList<byte[]> leaves)
        {
            if (leaves.Count < 2)
            {
                return leaves.Count == 0 ? MerkleHash.Empty() : leaves[0];
            }

            var k = 1;
            while (k * 2 < leaves.Count)
            {
                k *= 2;
            }

            return MerkleHash.Node(Definition([.. leaves.Take(k)]), Definition([.. leaves.Skip(k)]));
        }

        Prop.ForAll<byte[][]>(entries =>
        {
            var frontier = new MerkleFrontier();
            var leaves = entries.Select(entry => MerkleHash.Leaf(entry)).ToList();
            leaves.ForEach(frontier.Append);
            return frontier.Size == leaves.Count && frontier.Root().AsSpan().SequenceEqual(Definition(leaves));
        }).QuickCheckThrowOnFailure();
    }
}
