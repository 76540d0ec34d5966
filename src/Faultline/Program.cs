return await Faultline.Cli.CommandLine.RunAsync(args);
