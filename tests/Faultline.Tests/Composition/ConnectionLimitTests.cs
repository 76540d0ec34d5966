using System.Net;
using System.Net.Sockets;
using Faultline.Composition;
using Faultline.Settings;
using Faultline.Tests.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Faultline.Tests.Composition;

/// <summary>A door with room for two connections.</summary>
public sealed class ConnectionLimitTests : IAsyncLifetime, IAsyncDisposable
{
    /// <summary>Where nobody else connects to: clients of other tests go on trying ports of 127.0.0.1 that were theirs.</summary>
    private static readonly IPAddress s_address = OperatingSystem.IsLinux() ? IPAddress.Parse("127.0.0.77") : IPAddress.Loopback;

    private readonly ConnectionLimit _limit = new(2);
    private readonly Doors _doors = new();

    private IPEndPoint Address => IPEndPoint.Parse(_doors.Addresses["listen.test"]);

    public async Task InitializeAsync()
    {
        var app = Doors.NewBuilder(new ListenAddress(s_address, 0), HttpProtocols.Http1AndHttp2, _limit).Build();
        app.Run(http => http.Response.WriteAsync("here"));
        await _doors.OpenAsync("listen.test", new ListenAddress(s_address, 0), app, CancellationToken.None);
    }

    async Task IAsyncLifetime.DisposeAsync() => await DisposeAsync();

    public async ValueTask DisposeAsync() => await _doors.DisposeAsync();

    [Fact]
    public async Task One_connection_too_many_is_closed_at_once_and_the_next_has_room_when_another_goes()
    {
        using var first = await ConnectAsync();
        using var second = await ConnectAsync();
        await Eventually.TrueAsync(() => _limit.Open == 2);
        using (var third = await ConnectAsync())
        {
            Assert.Equal("", await AskAsync(third));
        }

        Assert.Equal(1, _limit.Refused);
        Assert.Contains("here", await AskAsync(second), StringComparison.Ordinal);

        first.Dispose();
        await Eventually.TrueAsync(() => _limit.Open <= 1);
        using var fourth = await ConnectAsync();
        Assert.Contains("here", await AskAsync(fourth), StringComparison.Ordinal);
        Assert.Equal(1, _limit.Refused);
    }

    private async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(Address);
        return socket;
    }

    /// <returns>The beginning of the answer; empty when the connection is closed without one.</returns>
    private static async Task<string> AskAsync(Socket socket)
    {
        var bytes = new byte[4096];
        try
        {
            await socket.SendAsync("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"u8.ToArray());
            var text = "";
            while (await socket.ReceiveAsync(bytes) is var read and > 0)
            {
                text += System.Text.Encoding.ASCII.GetString(bytes, 0, read);
            }

            return text;
        }
        catch (SocketException)
        {
            return "";
        }
    }
}
