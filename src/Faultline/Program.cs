Console.WriteLine("faultline");
