// The AWS SDK for Go, version 1, as older tools carry it: a user's day.
package main

import (
	"strings"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/ec2"
	"github.com/aws/aws-sdk-go/service/sts"

	. "ec2bridge.example/compat/story"
)

var (
	client *ec2.EC2
	ids    []*string
	group  *string
)

func main() {
	Version("github.com/aws/aws-sdk-go")
	connection := Must(session.NewSession(&aws.Config{Endpoint: &Endpoint, Region: &Region}))
	client = ec2.New(connection)

	Step("caller-identity", func() {
		identity := Must(sts.New(connection).GetCallerIdentity(nil))
		Check(len(aws.StringValue(identity.Account)) == 12, identity)
	})
	Step("regions", regions)
	Step("images", func() {
		image := Must(client.DescribeImages(&ec2.DescribeImagesInput{ImageIds: []*string{&Image}})).Images[0]
		Check(*image.State == "available" && *image.RootDeviceType == "ebs", image)
	})
	Step("key-pair", keyPair)
	Step("security-group", securityGroup)
	Step("launch", launch)
	Step("describe", describe)
	Step("filters", filters)
	Step("tags", tags)
	Step("stop-start", stopStart)
	Step("errors", failures)
	Step("terminate", terminate)
	Finish()
}

func regions() {
	seen := ""
	for _, region := range Must(client.DescribeRegions(nil)).Regions {
		seen += " " + *region.RegionName
	}
	Check(strings.Contains(seen+" ", " "+Region+" "), seen)
	for _, zone := range Must(client.DescribeAvailabilityZones(nil)).AvailabilityZones {
		seen += " " + *zone.ZoneName
	}
	Check(strings.Contains(seen+" ", " "+Zone+" "), seen)
}

func keyPair() {
	key := Must(client.CreateKeyPair(&ec2.CreateKeyPairInput{KeyName: &Name}))
	Later(func() error {
		_, err := client.DeleteKeyPair(&ec2.DeleteKeyPairInput{KeyName: &Name})
		return err
	})
	Check(strings.Contains(*key.KeyMaterial, "PRIVATE KEY"), "no private key")
	seen := Must(client.DescribeKeyPairs(&ec2.DescribeKeyPairsInput{KeyNames: []*string{&Name}})).KeyPairs[0]
	Check(*seen.KeyFingerprint == *key.KeyFingerprint, seen)
}

func securityGroup() {
	request := &ec2.CreateSecurityGroupInput{GroupName: &Name, Description: aws.String("for a test")}
	group = Must(client.CreateSecurityGroup(request)).GroupId
	Later(func() error {
		_, err := client.DeleteSecurityGroup(&ec2.DeleteSecurityGroupInput{GroupId: group})
		return err
	})
	Must(client.AuthorizeSecurityGroupIngress(&ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: group, IpProtocol: aws.String("tcp"), FromPort: aws.Int64(22), ToPort: aws.Int64(22),
		CidrIp: aws.String("192.0.2.0/24"),
	}))
	shown := Must(client.DescribeSecurityGroups(&ec2.DescribeSecurityGroupsInput{GroupIds: []*string{group}}))
	rules := shown.SecurityGroups[0].IpPermissions
	Check(len(rules) == 1 && *rules[0].FromPort == 22, rules)
}

func launch() {
	launched := Must(client.RunInstances(&ec2.RunInstancesInput{
		ImageId: &Image, InstanceType: &Type, MinCount: aws.Int64(1), MaxCount: aws.Int64(1),
		KeyName: &Name, SecurityGroupIds: []*string{group}, Placement: &ec2.Placement{AvailabilityZone: &Zone},
		TagSpecifications: []*ec2.TagSpecification{{
			ResourceType: aws.String("instance"), Tags: []*ec2.Tag{{Key: aws.String("Name"), Value: &Name}},
		}},
	}))
	ids = []*string{launched.Instances[0].InstanceId}
	Later(func() error {
		_, err := client.TerminateInstances(&ec2.TerminateInstancesInput{InstanceIds: ids})
		return err
	})
	Until("running", state)
}

func machine() *ec2.Instance {
	found := Must(client.DescribeInstances(&ec2.DescribeInstancesInput{InstanceIds: ids}))
	return found.Reservations[0].Instances[0]
}

func state() string { return *machine().State.Name }

func describe() {
	seen := machine()
	Check(*seen.InstanceType == Type && *seen.KeyName == Name, seen)
	Check(*seen.Placement.AvailabilityZone == Zone && seen.PrivateIpAddress != nil, seen)
	Check(len(seen.SecurityGroups) == 1 && *seen.SecurityGroups[0].GroupId == *group, seen)
}

func filters() {
	found := 0
	request := &ec2.DescribeInstancesInput{Filters: []*ec2.Filter{
		{Name: aws.String("tag:Name"), Values: []*string{&Name}},
		{Name: aws.String("instance-state-name"), Values: []*string{aws.String("running")}},
	}}
	err := client.DescribeInstancesPages(request, func(page *ec2.DescribeInstancesOutput, last bool) bool {
		found += len(page.Reservations)
		return true
	})
	Check(err == nil && found == 1, found)
}

func tags() {
	role := []*ec2.Tag{{Key: aws.String("role"), Value: aws.String("test")}}
	Must(client.CreateTags(&ec2.CreateTagsInput{Resources: ids, Tags: role}))
	request := &ec2.DescribeTagsInput{Filters: []*ec2.Filter{{Name: aws.String("resource-id"), Values: ids}}}
	Check(len(Must(client.DescribeTags(request)).Tags) == 2, "the tag is not there")
	Must(client.DeleteTags(&ec2.DeleteTagsInput{Resources: ids, Tags: role}))
	Check(len(machine().Tags) == 1, machine().Tags)
}

func stopStart() {
	Must(client.StopInstances(&ec2.StopInstancesInput{InstanceIds: ids}))
	Until("stopped", state)
	Must(client.StartInstances(&ec2.StartInstancesInput{InstanceIds: ids}))
	Until("running", state)
}

func failures() {
	nothing := []*string{aws.String("i-0123456789abcdef0")}
	_, err := client.DescribeInstances(&ec2.DescribeInstancesInput{InstanceIds: nothing})
	refused, known := err.(awserr.Error)
	Check(known && refused.Code() == "InvalidInstanceID.NotFound", err)
}

func terminate() {
	Must(client.TerminateInstances(&ec2.TerminateInstancesInput{InstanceIds: ids}))
	Until("terminated", state)
	Must(client.DeleteSecurityGroup(&ec2.DeleteSecurityGroupInput{GroupId: group}))
	Must(client.DeleteKeyPair(&ec2.DeleteKeyPairInput{KeyName: &Name}))
}
